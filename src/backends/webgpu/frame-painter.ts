// A program between a frame (what a browser shows: a video, a bitmap) and a canvas, both on the GPU: nothing is read back.
//   frame -> texture -> buffer -> edges replicated -> the program -> rows of whole 256 bytes -> the canvas's texture
import type { CarafeError } from '../../core/errors.js';
import padFile from '../../../shaders/pad-pixels.wgsl';
import type { ConvWeights, DeviceConv } from '../backend.js';
import { isSoftwareAdapter } from './adapter.js';
import { BufferPool } from './buffer-pool.js';
import { CommandList, type GpuPixels } from './command-list.js';
import { asked, type GpuContext, guarded, SharedDevice } from './device.js';
import { Shader, type ShaderTexts } from './shader.js';
import { createOps, type GpuOps } from './webgpu-backend.js';
import { GpuConv } from './weights.js';

const PAD = new Shader('pad-pixels', padFile);
const ROW = 64; // pixels: copies between textures and buffers have rows of multiples of 256 bytes
const TEXTURE = { copySrc: 0x01, copyDst: 0x02, textureBinding: 0x04, renderAttachment: 0x10 } as const;

export type Frame = GPUCopyExternalImageSource;

interface Size {
  readonly width: number;
  readonly height: number;
}

export class FramePainter {
  readonly #context: GpuContext;
  readonly #pool: BufferPool;
  readonly #convs = new Set<DeviceConv>();
  #texture: GPUTexture | undefined;

  /** The device is borrowed. @param half tensors are f16 where the device has it */
  constructor(device: GPUDevice, shaders: ShaderTexts, half: boolean) {
    const shared = SharedDevice.of(device, shaders);
    const hardware = !isSoftwareAdapter(device.adapterInfo);
    this.#context = { device, shared, half: half && device.features.has('shader-f16'), hardware };
    this.#pool = new BufferPool(device);
  }

  conv(weights: ConvWeights): GpuConv {
    const conv = new GpuConv(this.#context.device, this.#pool, weights);
    this.#convs.add(conv);
    return conv;
  }

  release(...convs: readonly DeviceConv[]): void {
    for (const conv of convs) {
      if (this.#convs.delete(conv)) (conv as GpuConv).dispose();
    }
  }

  /** For paint(): opaque, in the format that programs write. */
  configure(canvas: GPUCanvasContext): void {
    const { device } = this.#context;
    canvas.configure({ device, format: 'rgba8unorm', usage: TEXTURE.copyDst, alphaMode: 'opaque' });
  }

  /**
   * Resolves once the GPU has done it: whoever awaits that has no more frames under way than asked for.
   * @param border pixels by which the frame's edges are replicated around it, for the program
   * @param program from the frame with its border to the pixels of the canvas, which has that size
   * @throws {CarafeError} OutOfMemory, DeviceLost, BackendUnavailable; TypeError for frames that this browser's GPU does not copy
   */
  async paint(
    frame: Frame,
    { width, height }: Size,
    border: number,
    program: (ops: GpuOps, padded: GpuPixels) => GpuPixels,
    canvas: GPUCanvasContext,
  ): Promise<void> {
    const { device, shared } = this.#context;
    if (shared.lost) throw shared.lost;
    const list = new CommandList(this.#context, this.#pool);
    try {
      const { value: painted, errors: recording } = guarded(device, () => {
        const source = list.pixels(wholeRows(width), height, 'the frame');
        const padded = pad(list, source, { width, height }, width + 2 * border, height + 2 * border, border);
        const result = program(createOps(list), padded);
        const rows = pad(list, result, result, wholeRows(result.width), result.height, 0);
        return { source, result, rows };
      });
      for (const upload of list.uploads) throwAny(await upload);
      await Promise.all(list.compiling());
      throwAny(await recording);
      const texture = this.#textureOf(width, height);
      device.queue.copyExternalImageToTexture({ source: frame }, { texture }, [width, height]);
      const { errors: submitting } = guarded(device, () =>
        asked(() => {
          const { source, result, rows } = painted;
          submitCopy(device, (encoder) => encoder.copyTextureToBuffer({ texture }, layoutOf(source), [width, height]));
          for (const commands of list.encode()) device.queue.submit([commands]);
          submitCopy(device, (encoder) =>
            encoder.copyBufferToTexture(layoutOf(rows), { texture: canvas.getCurrentTexture() }, [
              result.width,
              result.height,
            ]),
          );
        }),
      );
      list.release();
      throwAny(await submitting);
      await Promise.race([device.queue.onSubmittedWorkDone(), device.lost]);
      if (shared.lost) throw shared.lost;
    } catch (error) {
      list.discard();
      throw shared.lost ?? error;
    }
  }

  dispose(): void {
    this.#texture?.destroy();
    this.release(...this.#convs);
    this.#pool.dispose();
  }

  #textureOf(width: number, height: number): GPUTexture {
    if (this.#texture?.width !== width || this.#texture.height !== height) {
      this.#texture?.destroy();
      const usage = TEXTURE.copySrc | TEXTURE.copyDst | TEXTURE.renderAttachment; // the last two: what frames are copied by
      const { device } = this.#context;
      this.#texture = device.createTexture({
        label: 'carafe frame',
        size: [width, height],
        format: 'rgba8unorm',
        usage,
      });
    }
    return this.#texture;
  }
}

function pad(
  list: CommandList,
  pixels: GpuPixels,
  { width: w, height: h }: Size,
  outW: number,
  outH: number,
  border: number,
): GpuPixels {
  const out = list.pixels(outW, outH, 'a padded frame');
  const invocations = outW * outH;
  list.dispatch({
    shader: PAD,
    entryPoint: 'padPixels',
    params: { invocations, outW, left: border, top: border, h, w, stride: pixels.width },
    inputs: [pixels],
    outputs: [out],
    invocations,
  });
  return out;
}

function layoutOf({ buffer, width, height }: GpuPixels): GPUTexelCopyBufferInfo {
  return { buffer: buffer.gpu, bytesPerRow: 4 * width, rowsPerImage: height };
}

function submitCopy(device: GPUDevice, copy: (encoder: GPUCommandEncoder) => void): void {
  const encoder = device.createCommandEncoder({ label: 'carafe frame' });
  copy(encoder);
  device.queue.submit([encoder.finish()]);
}

function wholeRows(width: number): number {
  return Math.ceil(width / ROW) * ROW;
}

function throwAny(error: CarafeError | undefined): void {
  if (error) throw error;
}
