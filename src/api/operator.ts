// The operator and the learned module on tensors, behind the calls of carafe.ts.
import { unlessAborted } from '../core/abort.js';
import { expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import type { Layout } from '../core/shapes.js';
import { type Halves, isHalves } from '../core/tag.js';
import { elements, type Shape, type Tensor } from '../core/tensor.js';
import type { WorkOf } from '../engine/specs.js';
import { openPool, type Pool, type PoolInfo } from '../worker/pool.js';
import { transferables } from '../worker/wire.js';
import {
  type CarafeModuleOptions,
  type CarafeOptions,
  type CarafeWeights,
  checkFeatures,
  checkInto,
  checkKernels,
  type CheckedModule,
  checkModule,
  checkReassembly,
  checkSize,
  checkTensor,
  checkWindow,
  type HalfTensor,
  kernelsShape,
  type TensorLike,
  upsampledShape,
} from './module-options.js';
import { checkRun, checkThread, checkTiling, resolveBackend } from './options.js';

/** carafe() of carafe.ts. */
export async function reassemble(
  features: TensorLike | HalfTensor,
  kernels: TensorLike | HalfTensor,
  options: CarafeOptions,
): Promise<Tensor | HalfTensor> {
  if (isHalf(features)) return inHalf(features, async (x) => reassembleFloats(x, await asFloats(kernels), options));
  return reassembleFloats(features, kernels, options);
}

async function reassembleFloats(
  features: TensorLike,
  kernels: TensorLike | HalfTensor,
  options: CarafeOptions,
): Promise<Tensor> {
  if (isHalf(kernels))
    throw expected('ShapeMismatch', 'kernels.data', 'a Float32Array, as "features" is,', kernels.data);
  const { window, padding } = checkWindow(options);
  const x = checkTensor('features', features);
  const k = checkTensor('kernels', kernels);
  checkReassembly(x, k, window);
  const request = await resolveBackend(options);
  if (x.shape[0] === 0) return empty([0, x.shape[1], k.shape[2], k.shape[3]]);
  const warm = await import('../engine/warm.js'); // its own chunk: with workers the page does not need it
  return warm.reassemble(request, x, k, window, padding);
}

function isHalf(tensor: TensorLike | HalfTensor): tensor is HalfTensor {
  return isHalves((tensor as HalfTensor | null | undefined)?.data);
}

async function asFloats(tensor: TensorLike | HalfTensor): Promise<TensorLike> {
  if (!isHalf(tensor)) return tensor;
  const { widened } = await import('../core/half.js'); // a chunk that few need
  return { data: widened(tensor.data), shape: tensor.shape };
}

/** Computes in f32. */
async function inHalf<H extends Halves>(
  x: HalfTensor<H>,
  compute: (x: TensorLike) => Promise<Tensor>,
): Promise<HalfTensor<H>> {
  const { data, shape } = await compute(await asFloats(x));
  const { narrowed } = await import('../core/half.js');
  return { data: narrowed(data, x.data), shape };
}

/** The first rows and columns, of each plane or with all channels. */
function cropped(tensor: Tensor, layout: Layout, height: number, width: number, into?: Float32Array): Tensor {
  const [n, c, h, w] =
    layout === 'NCHW' ? tensor.shape : [tensor.shape[0], tensor.shape[3], ...tensor.shape.slice(1, 3)];
  const [planes, values] = layout === 'NCHW' ? [n * c, 1] : [n, c];
  const data = into ?? new Float32Array(n * c * height * width);
  for (let row = 0; row < planes * height; row++) {
    const from = (Math.floor(row / height) * h + (row % height)) * w * values;
    data.set(tensor.data.subarray(from, from + width * values), row * width * values);
  }
  return { data, shape: layout === 'NCHW' ? [n, c, height, width] : [n, height, width, c] };
}

/** The result of no images. */
function empty(shape: Shape, data: Float32Array = new Float32Array(0)): Tensor {
  return { data, shape };
}

export interface UpsampleOptions {
  into?: Float32Array;
  size?: readonly [height: number, width: number];
  signal?: Global<'AbortSignal'>;
}

export interface CarafeModule extends AsyncDisposable {
  readonly info: PoolInfo;
  /** x (n, c, h, w) -> the normalised kernels (n, groups*kUp^2, h*scale, w*scale) that `upsample` reassembles with. */
  predictKernels(x: TensorLike, options?: { signal?: Global<'AbortSignal'> }): Promise<Tensor>;
  predictKernels<H extends Halves>(
    x: HalfTensor<H>,
    options?: { signal?: Global<'AbortSignal'> },
  ): Promise<HalfTensor<H>>;
  /**
   * x (n, c, h, w) -> (n, c, h*scale, w*scale). `into`: an array whose memory takes the result, an earlier result for example; the first touch
   * of new memory is a third of the time of a call whose result is tens of MB. It belongs to the call: a worker has it transferred, so read the tensor that is returned.
   * On SharedArrayBuffers x and `into` are read and written where they are, also by a worker.
   * `size`: [height, width] of which the result is kept, from the left upper corner: where the next map of a pyramid has an odd size
   * (mmdet's slice_as).
   * @throws {CarafeError} InvalidOption, ShapeMismatch, OutOfMemory, DeviceLost, WorkerCrashed, Disposed; the signal's reason
   */
  upsample(x: TensorLike, options?: UpsampleOptions): Promise<Tensor>;
  upsample<H extends Halves>(x: HalfTensor<H>, options?: Omit<UpsampleOptions, 'into'>): Promise<HalfTensor<H>>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/** createCarafe() of carafe.ts, with weights that nobody else changes. */
export async function openModule(weights: CarafeWeights, options: CarafeModuleOptions): Promise<CarafeModule> {
  const checked = checkModule(weights, options);
  const { signal } = checkRun(options);
  signal?.throwIfAborted();
  return unlessAborted(signal, open(checked, options), (late) => late.dispose());
}

async function open(checked: CheckedModule, options: CarafeModuleOptions): Promise<CarafeModule> {
  const request = await resolveBackend(options);
  const threads = checkThread(options, request);
  const { workers } = checkTiling(options);
  const { signal } = options;
  const pool = await openPool({ ...request, spec: 'carafeModule', options: checked }, { ...threads, workers, signal });
  return new PoolModule(pool, checked);
}

class PoolModule implements CarafeModule {
  readonly #pool: Pool;
  readonly #checked: CheckedModule;

  constructor(pool: Pool, checked: CheckedModule) {
    this.#pool = pool;
    this.#checked = checked;
  }

  get info(): PoolInfo {
    return this.#pool.info;
  }

  predictKernels(x: TensorLike, options?: { signal?: Global<'AbortSignal'> }): Promise<Tensor>;
  predictKernels<H extends Halves>(
    x: HalfTensor<H>,
    options?: { signal?: Global<'AbortSignal'> },
  ): Promise<HalfTensor<H>>;
  async predictKernels(
    x: TensorLike | HalfTensor,
    options: { signal?: Global<'AbortSignal'> } = {},
  ): Promise<Tensor | HalfTensor> {
    if (isHalf(x)) return inHalf(x, (floats) => this.predictKernels(floats, options));
    const features = checkFeatures(x, this.#checked);
    checkKernels(features, this.#checked);
    if (features.shape[0] === 0) return empty(kernelsShape(features.shape, this.#checked));
    return this.#run(features, options, () => ({
      program: 'predictKernels',
      args: [features],
      transfer: [],
    }));
  }

  upsample(x: TensorLike, options?: UpsampleOptions): Promise<Tensor>;
  upsample<H extends Halves>(x: HalfTensor<H>, options?: Omit<UpsampleOptions, 'into'>): Promise<HalfTensor<H>>;
  async upsample(x: TensorLike | HalfTensor, options: UpsampleOptions = {}): Promise<Tensor | HalfTensor> {
    if (isHalf(x)) {
      if (options?.into) throw expected('InvalidOption', 'into', 'none for f16', options.into);
      return inHalf(x, (floats) => this.upsample(floats, options));
    }
    const features = checkFeatures(x, this.#checked);
    const full = upsampledShape(features.shape, this.#checked);
    const { shape, size } = checkSize(options, full, this.#checked);
    const into = checkInto(options, features, elements(shape));
    if (features.shape[0] === 0) return empty(shape, into);
    const values = into?.length;
    const transferred = size ? undefined : into;
    const y = await this.#run(features, options, () => {
      const place = transferred?.length === values ? transferred : undefined; // gone with a worker that died
      return { program: 'upsample', args: [features, place], transfer: transferables(place) };
    });
    return size ? cropped(y, this.#checked.layout, ...size, into) : y;
  }

  dispose(): void {
    this.#pool.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  #run(x: Tensor, options: { signal?: Global<'AbortSignal'> }, prepare: () => WorkOf<'carafeModule'>): Promise<Tensor> {
    return this.#pool.queue.call<Tensor>(x.data.length, prepare, checkRun(options).signal);
  }
}
