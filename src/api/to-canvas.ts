// upscaler.toCanvas() and upscaler.frames(): pictures and the frames of videos, enlarged onto a canvas. On webgpu they stay on the GPU, on
// this thread, where the canvas is; on wasm they go through the workers as all pictures do. A chunk of its own.
import type { BackendName, Ops } from '../backends/backend.js';
import { openDevice } from '../backends/webgpu/adapter.js';
import { type Frame, FramePainter } from '../backends/webgpu/frame-painter.js';
import type { GpuPixels } from '../backends/webgpu/command-list.js';
import type { GpuOps } from '../backends/webgpu/webgpu-backend.js';
import shaders from '../backends/webgpu/shader-texts.js';
import { expected } from '../core/errors.js';
import type { RawImage, RgbaPixels } from '../core/tensor.js';
import { tagOf } from '../core/tag.js';
import { Positions } from '../engine/positions.js';
import { readDial } from '../models/dial.js';
import { parseSafetensors } from '../models/safetensors.js';
import { tileHalo, tileProgram } from '../engine/upscaler.js';
import type { CanvasTarget, ImageInput } from './image.js';
import { toImageData } from './image-out.js';
import type { RunOptions } from '../engine/upscale-image.js';

/** What it takes of an upscaler. */
interface Enlarging {
  readonly info: { readonly backend: BackendName };
  upscale(image: ImageInput, options: RunOptions): Promise<RawImage>;
}

/** Draws enlargements of one upscaler. */
export interface Painter {
  paint(image: ImageInput, canvas: CanvasTarget, options: RunOptions): Promise<void>;
  dispose(): void;
}

/** How pictures are read: given, so that this chunk and the page's own share no file more. */
export interface Reading {
  /** The place on the dial for a picture. */
  judge(image: ImageInput, options: RunOptions): Promise<number>;
  /** The size of what a browser draws as it is, checked to be enlargeable; undefined for files and pixels. */
  sizeOf(image: ImageInput): { width: number; height: number } | undefined;
  pixels(image: ImageInput): Promise<RawImage>;
}

/** @throws {CarafeError} BackendUnavailable if this thread has no GPU where the upscaler's has one */
export async function openPainter(
  upscaler: Enlarging,
  model: Uint8Array,
  reading: Reading,
  device?: GPUDevice,
): Promise<Painter> {
  if (upscaler.info.backend !== 'webgpu') return new PixelPainter(upscaler);
  return new GpuPainter(model, reading, device ?? (await openDevice(false)), !device);
}

class PixelPainter implements Painter {
  readonly #upscaler: Enlarging;

  constructor(upscaler: Enlarging) {
    this.#upscaler = upscaler;
  }

  async paint(image: ImageInput, canvas: CanvasTarget, options: RunOptions): Promise<void> {
    const colorSpace = (image as RgbaPixels | null)?.colorSpace === 'display-p3' ? 'display-p3' : 'srgb'; // a VideoFrame's is an object
    const context = contextOf(canvas, '2d', { colorSpace }) as OffscreenCanvasRenderingContext2D;
    const big = await this.#upscaler.upscale(image, options);
    if (resizeTo(canvas, big.width, big.height)) proveToHold(context, big.width, big.height);
    context.putImageData(toImageData(big), 0, 0);
  }

  dispose(): void {}
}

interface Target {
  readonly context: GPUCanvasContext;
  /** On the dial, where 'auto' chose it: the first frame decides for all that follow. */
  position?: number;
}

class GpuPainter implements Painter {
  readonly #painter: FramePainter;
  readonly #reading: Reading;
  readonly #device: GPUDevice;
  readonly #own: boolean;
  readonly #positions: Positions;
  #copies = false; // Firefox's GPU takes bitmaps and canvases only
  readonly #targets = new WeakMap<CanvasTarget, Target>();

  constructor(model: Uint8Array, reading: Reading, device: GPUDevice, own: boolean) {
    this.#painter = new FramePainter(device, shaders, true);
    this.#reading = reading;
    [this.#device, this.#own] = [device, own];
    this.#positions = new Positions(this.#painter, readDial(parseSafetensors(model)));
  }

  async paint(image: ImageInput, canvas: CanvasTarget, options: RunOptions): Promise<void> {
    const target = this.#targetOf(canvas);
    const position =
      typeof options.restore === 'number'
        ? options.restore
        : (target.position ??= await this.#reading.judge(image, options));
    const { scale } = this.#positions.clean;
    const { source, width, height } = await frameOf(image, this.#reading);
    options.signal?.throwIfAborted();
    const { maxTextureDimension2D: limit } = this.#device.limits;
    if (Math.max(width, height) * scale > limit)
      throw expected(
        'ImageTooLarge',
        'image',
        `a result of at most ${limit} pixels a side, as this GPU draws,`,
        `${width * scale}x${height * scale}`,
      );
    resizeTo(canvas, width * scale, height * scale);
    await this.#positions.use(position, (net) => {
      const { border } = tileHalo(net, false);
      const core = { x: border, y: border, width, height };
      const program = (ops: GpuOps, padded: GpuPixels): GpuPixels => {
        const onGpu = { ...ops, inputPixels: () => padded };
        const size = { width: padded.width, height: padded.height, data: new Uint8ClampedArray(0) };
        return tileProgram(onGpu as Ops, net, { image: size, core, alpha: false }) as GpuPixels;
      };
      const paint = (frame: Frame): Promise<void> =>
        this.#painter.paint(frame, { width, height }, border, program, target.context);
      return this.#copies ? this.#throughBitmap(source, paint) : this.#directly(source, paint);
    });
  }

  async #directly(source: Frame, paint: (frame: Frame) => Promise<void>): Promise<void> {
    try {
      await paint(source);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.#copies = true;
      await this.#throughBitmap(source, paint);
    }
  }

  async #throughBitmap(source: Frame, paint: (frame: Frame) => Promise<void>): Promise<void> {
    const bitmap = await createImageBitmap(source);
    try {
      await paint(bitmap);
    } finally {
      bitmap.close();
    }
  }

  dispose(): void {
    this.#painter.dispose();
    if (this.#own) this.#device.destroy();
  }

  #targetOf(canvas: CanvasTarget): Target {
    let target = this.#targets.get(canvas);
    if (!target) {
      const context = contextOf(canvas, 'webgpu') as GPUCanvasContext;
      this.#painter.configure(context);
      this.#targets.set(canvas, (target = { context }));
    }
    return target;
  }
}

/** What a GPU copies from, and its size. */
async function frameOf(image: ImageInput, reading: Reading): Promise<{ source: Frame; width: number; height: number }> {
  const drawable = reading.sizeOf(image);
  if (drawable) return { source: image as Frame, ...drawable };
  const pixels = await reading.pixels(image);
  return { source: toImageData(pixels), width: pixels.width, height: pixels.height };
}

/** Whether it had another size. */
function resizeTo(canvas: CanvasTarget, width: number, height: number): boolean {
  if (canvas.width === width && canvas.height === height) return false;
  Object.assign(canvas, { width, height });
  return true;
}

/** @throws {CarafeError} ImageTooLarge for a canvas that does not keep its last pixel */
function proveToHold(context: OffscreenCanvasRenderingContext2D, width: number, height: number): void {
  try {
    context.fillRect(width - 1, height - 1, 1, 1);
    if (context.getImageData(width - 1, height - 1, 1, 1).data[3] === 255) return;
  } catch {
    // refused: too large too
  }
  throw expected('ImageTooLarge', 'image', 'a result that a canvas of this browser holds', `${width}x${height}`);
}

/** @throws {CarafeError} InvalidOption */
function contextOf(canvas: CanvasTarget, kind: '2d' | 'webgpu', settings?: CanvasRenderingContext2DSettings): unknown {
  if (!['HTMLCanvasElement', 'OffscreenCanvas'].includes(tagOf(canvas)))
    throw expected('InvalidOption', 'canvas', 'a canvas', canvas);
  let got = 'one that has another already';
  try {
    const context = canvas.getContext(kind as '2d', settings);
    if (context) return context;
  } catch (cause) {
    got = (cause as Error).message; // its control was transferred
  }
  throw expected('InvalidOption', 'canvas', `a canvas that gives a "${kind}" context`, got);
}

/** Frames in, enlarged frames out, one at a time: whoever reads slowly slows down who writes. Each frame in is closed. */
export function enlargingFrames(
  upscaler: { toCanvas(image: ImageInput, canvas: CanvasTarget, options: RunOptions): Promise<void> },
  options: RunOptions,
): TransformStream<VideoFrame, VideoFrame> {
  if (typeof VideoFrame !== 'function')
    throw expected('UnsupportedImage', 'frames', 'a runtime with VideoFrame', 'none');
  const canvas = new OffscreenCanvas(1, 1);
  return new TransformStream<VideoFrame, VideoFrame>(
    {
      async transform(frame, controller) {
        if (tagOf(frame) !== 'VideoFrame') throw expected('UnsupportedImage', 'frame', 'a VideoFrame', frame);
        const { timestamp, duration } = frame;
        try {
          await upscaler.toCanvas(frame, canvas, options);
        } finally {
          frame.close();
        }
        controller.enqueue(new VideoFrame(canvas, { timestamp, ...(duration !== null && { duration }) }));
      },
    },
    { highWaterMark: 1 },
    { highWaterMark: 0 },
  );
}
