// The ops on a GPU. Any number of runs may be in flight, so that one is read back while the next computes.
import type { Backend, ConvWeights, Ops } from '../backend.js';
import { CarafeError } from '../../core/errors.js';
import { fromHalves } from '../../core/half.js';
import { elements } from '../../core/tensor.js';
import { describeAdapter, isSoftwareAdapter } from './adapter.js';
import { BufferPool } from './buffer-pool.js';
import { carafePack } from './carafe-pack.js';
import { colourLines } from './colour-lines.js';
import type { CommandList, GpuPixels, GpuTensor, Resident } from './command-list.js';
import { conv2d } from './conv2d.js';
import { type GpuContext, SharedDevice } from './device.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { meanGains } from './mean-gains.js';
import { networkOps } from './network-ops.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
import { pixelsToPlanes, planesToPixels } from './pixels.js';
import { reassembleSum } from './reassemble-sum.js';
import { reassemble } from './reassemble.js';
import { resize } from './resize.js';
import { Run, touched } from './run.js';
import type { ShaderTexts } from './shader.js';
import { GpuConv } from './weights.js';

export interface WebgpuBackendOptions {
  /**
   * The device was opened for this backend alone: dispose() destroys it. By default it is borrowed and stays the
   * caller's.
   */
  readonly destroyDevice?: boolean;
  /**
   * Features are stored as f16 where the device has `shader-f16`; planes and sums are f32. For programs whose results are bytes.
   * Default false.
   */
  readonly half?: boolean;
  /** The kernels of real GPUs, by default on those: loads of vectors, memory shared in a workgroup. */
  readonly hardware?: boolean;
  /** By default those of the package are loaded, a chunk of its own. A worker has none, its page sends them. */
  readonly shaders?: ShaderTexts;
}

export type GpuOps = Ops<GpuTensor, GpuPixels, GpuConv>;

/** @throws {CarafeError} DeviceLost if the device is gone already, BackendUnavailable if the shaders do not load. */
export async function createWebgpuBackend(
  device: GPUDevice,
  {
    destroyDevice = false,
    half = false,
    hardware = !isSoftwareAdapter(device.adapterInfo),
    shaders,
  }: WebgpuBackendOptions = {},
): Promise<Backend> {
  const shared = SharedDevice.of(device, shaders ?? (await loadShaders()));
  const context = { device, shared, half: half && device.features.has('shader-f16'), hardware };
  const backend = new WebgpuBackend(context, destroyDevice);
  await backend.settled();
  return backend;
}

class WebgpuBackend implements Backend<GpuTensor, GpuPixels, GpuConv> {
  readonly name = 'webgpu';
  readonly details: string;
  readonly largestTensor?: number;
  readonly #context: GpuContext;
  readonly #destroyDevice: boolean;
  readonly #pool: BufferPool;
  readonly #convs = new Set<GpuConv>();
  readonly #runs = new Set<Run>();
  #ended: CarafeError | undefined; // lost or disposed

  constructor(context: GpuContext, destroyDevice: boolean) {
    const { device, shared, half } = context;
    this.#context = context;
    this.#destroyDevice = destroyDevice;
    this.#pool = new BufferPool(device);
    this.details = describeAdapter(device.adapterInfo) + (half ? ', f16' : '');
    if (context.hardware) this.largestTensor = largestTensor(context);
    if (shared.lost) this.#ended = shared.lost;
    else shared.onLost.add(this.#end);
  }

  /** One turn of the queue, so that a device lost before it came here is known to be. */
  async settled(): Promise<void> {
    const { device } = this.#context;
    await Promise.race([device.lost, device.queue.onSubmittedWorkDone().catch(() => {})]);
    this.#assertUsable();
  }

  conv(weights: ConvWeights): GpuConv {
    this.#assertUsable();
    const conv = new GpuConv(this.#context.device, this.#pool, weights);
    this.#convs.add(conv);
    return conv;
  }

  release(...convs: GpuConv[]): void {
    for (const conv of convs) if (this.#convs.delete(conv)) conv.dispose();
  }

  async run(program: (ops: GpuOps) => GpuTensor, into?: Float32Array): Promise<Float32Array> {
    const [values] = await this.#tensors((ops) => [program(ops)], into && [into]);
    return values;
  }

  runAll(program: (ops: GpuOps) => readonly GpuTensor[]): Promise<Float32Array[]> {
    return this.#tensors(program);
  }

  async runPixels(program: (ops: GpuOps) => readonly GpuPixels[]): Promise<Uint8ClampedArray[]> {
    let images: readonly GpuPixels[] = [];
    const places = await this.#execute(
      (list) => (images = program(createOps(list))),
      () => images.map(({ bytes }) => touched(new Uint8ClampedArray(bytes))),
    );
    return [...places];
  }

  dispose(): void {
    this.#context.shared.onLost.delete(this.#end);
    this.#end(new CarafeError('Disposed', 'Expected a live webgpu backend, got one that was disposed'));
    this.#pool.dispose();
    for (const conv of this.#convs) conv.dispose();
    this.#convs.clear();
    if (this.#destroyDevice) this.#context.device.destroy();
  }

  async #tensors(
    program: (ops: GpuOps) => readonly GpuTensor[],
    into?: readonly Float32Array[],
  ): Promise<Float32Array[]> {
    let tensors: readonly GpuTensor[] = [];
    const places = await this.#execute<Float32Array | Uint16Array>(
      (list) => (tensors = program(createOps(list))),
      () =>
        tensors.map(({ shape, half }, i) =>
          half ? new Uint16Array(elements(shape)) : (into?.[i] ?? touched(new Float32Array(elements(shape)))),
        ),
    );
    return places.map((values, i) => (values instanceof Float32Array ? values : fromHalves(values, into?.[i])));
  }

  async #execute<Memory extends ArrayBufferView>(
    program: (list: CommandList) => readonly Resident[],
    allocate: () => readonly Memory[],
  ): Promise<readonly Memory[]> {
    this.#assertUsable();
    const run = new Run(this.#context, this.#pool);
    this.#runs.add(run);
    try {
      return await run.execute(program, allocate);
    } finally {
      this.#runs.delete(run);
    }
  }

  /** Rejects everything pending, and everything to come. */
  readonly #end = (error: CarafeError): void => {
    this.#ended = error;
    for (const run of this.#runs) run.stop(error);
  };

  #assertUsable(): void {
    if (this.#ended) throw this.#ended;
  }
}

/** A program holds several tensors at a time, and a GPU of small limits (128 MiB: a phone's) has little memory. */
function largestTensor({ device: { limits }, half }: GpuContext): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / 4 / (half ? 2 : 4);
}

async function loadShaders(): Promise<ShaderTexts> {
  try {
    return (await import('./shader-texts.js')).default;
  } catch (cause) {
    throw new CarafeError('BackendUnavailable', `its shaders do not load: ${(cause as Error).message}`);
  }
}

/** The ops, written to a list. */
export function createOps(list: CommandList): GpuOps {
  return {
    input: (...args) => list.input(...args),
    inputPixels: (image) => list.inputPixels(image),
    free: (...tensors) => {
      for (const x of tensors) list.free(x);
    },
    nchwToNhwc: (...args) => nchwToNhwc(list, ...args),
    nhwcToNchw: (...args) => nhwcToNchw(list, ...args),
    conv2d: (...args) => conv2d(list, ...args),
    pixelShuffle: (...args) => pixelShuffle(list, ...args),
    pixelUnshuffle: (...args) => pixelUnshuffle(list, ...args),
    normalizeKernels: (...args) => normalizeKernels(list, ...args),
    reassemble: (...args) => reassemble(list, ...args),
    carafePack: (...args) => carafePack(list, ...args),
    reassembleSum: (...args) => reassembleSum(list, ...args),
    resize: (...args) => resize(list, ...args),
    pixelsToPlanes: (...args) => pixelsToPlanes(list, ...args),
    meanGains: (...args) => meanGains(list, ...args),
    colourLines: (...args) => colourLines(list, ...args),
    planesToPixels: (...args) => planesToPixels(list, ...args),
    ...networkOps(list),
  };
}
