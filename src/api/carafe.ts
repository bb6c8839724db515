// carafe(), createCarafe(): the operator and the learned module on tensors. listBackends(): what runs here.
import type { BackendReport } from '../backends/select.js';
import { unlessAborted } from '../core/abort.js';
import type { Global } from '../core/platform.js';
import type { Shape, Tensor } from '../core/tensor.js';
import type { ConvSpec } from '../engine/carafe.js';
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
  checkRun,
  checkTensor,
  checkThread,
  checkTiling,
  checkWindow,
  kernelsShape,
  resolveBackend,
  type TensorLike,
  upsampledShape,
} from './options.js';

/**
 * The reassembly, equal to mmcv's `carafe`: features (n, c, h, w), kernels (n, groups*kUp^2, h*scale, w*scale), already normalised
 * -> (n, c, h*scale, w*scale). Runs on this thread.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, BackendUnavailable, OutOfMemory
 * @example
 * const features = { data: new Float32Array(8 * 3 * 4).fill(1), shape: [1, 8, 3, 4] };
 * const kernels = { data: new Float32Array(25 * 6 * 8).fill(1 / 25), shape: [1, 25, 6, 8] };
 * const { shape } = await carafe(features, kernels, { scale: 2, kUp: 5 }); // [1, 8, 6, 8]
 */
export async function carafe(features: TensorLike, kernels: TensorLike, options: CarafeOptions = {}): Promise<Tensor> {
  const { window, padding } = checkWindow(options);
  const x = checkTensor('features', features);
  const k = checkTensor('kernels', kernels);
  checkReassembly(x, k, window);
  const request = await resolveBackend(options);
  if (x.shape[0] === 0) return empty([0, x.shape[1], k.shape[2], k.shape[3]]);
  const { reassemble } = await import('../engine/warm.js'); // its own chunk: with workers the page does not need it
  return reassemble(request, x, k, window, padding);
}

/** The result of no images. */
function empty(shape: Shape, data: Float32Array = new Float32Array(0)): Tensor {
  return { data, shape };
}

export interface CarafeModule extends AsyncDisposable {
  readonly info: PoolInfo;
  /** x (n, c, h, w) -> the normalised kernels (n, groups*kUp^2, h*scale, w*scale) that `upsample` reassembles with. */
  predictKernels(x: TensorLike, options?: { signal?: Global<'AbortSignal'> }): Promise<Tensor>;
  /**
   * x (n, c, h, w) -> (n, c, h*scale, w*scale). `into`: an array whose memory takes the result, an earlier result for example; the first touch
   * of new memory is a third of the time of a call whose result is tens of MB. It belongs to the call: a worker has it transferred, so read the tensor that is returned.
   * On SharedArrayBuffers x and `into` are read and written where they are, also by a worker.
   * @throws {CarafeError} InvalidOption, ShapeMismatch, OutOfMemory, DeviceLost, WorkerCrashed, Disposed; the signal's reason
   */
  upsample(x: TensorLike, options?: { into?: Float32Array; signal?: Global<'AbortSignal'> }): Promise<Tensor>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/**
 * The learned module, equal to mmcv's `CARAFEPack`: compress (1x1), encode, pixel shuffle, normalise, reassemble. It starts with one worker;
 * more start while calls wait.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, BackendUnavailable, WorkerCrashed; the signal's reason
 * @example
 * const encode = { weights: { data: new Float32Array(100 * 8 * 9), shape: [100, 8, 3, 3] } };
 * const module = await createCarafe({ encode }, { scale: 2, kUp: 5 });
 * const { shape } = await module.upsample({ data: new Float32Array(8 * 3 * 4), shape: [1, 8, 3, 4] }); // [1, 8, 6, 8]
 * module.dispose();
 */
export async function createCarafe(weights: CarafeWeights, options: CarafeModuleOptions = {}): Promise<CarafeModule> {
  const { compress, encode, out, ...rest } = checkModule(weights, options);
  const checked = {
    ...rest,
    compress: compress && copyWeights(compress),
    encode: copyWeights(encode),
    out: out && copyWeights(out),
  };
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

  async predictKernels(x: TensorLike, options: { signal?: Global<'AbortSignal'> } = {}): Promise<Tensor> {
    const features = checkFeatures(x, this.#checked);
    checkKernels(features, this.#checked);
    if (features.shape[0] === 0) return empty(kernelsShape(features.shape, this.#checked));
    return this.#run(features, options, () => ({
      program: 'predictKernels',
      args: [features],
      transfer: [],
    }));
  }

  async upsample(
    x: TensorLike,
    options: { into?: Float32Array; signal?: Global<'AbortSignal'> } = {},
  ): Promise<Tensor> {
    const features = checkFeatures(x, this.#checked);
    const into = checkInto(options, features, this.#checked);
    if (features.shape[0] === 0) return empty(upsampledShape(features.shape, this.#checked), into);
    const values = into?.length;
    return this.#run(features, options, () => {
      const place = into?.length === values ? into : undefined; // gone with a worker that died
      return { program: 'upsample', args: [features, place], transfer: transferables(place) };
    });
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

/** The weights as they are now: a worker that is started again needs them again. */
function copyWeights({ weights: { data, shape }, bias, ghost }: ConvSpec): ConvSpec {
  return { weights: { data: data.slice(), shape }, bias: bias?.slice(), ghost: ghost && copyWeights(ghost) };
}

/** Tries each backend on this thread: whether it runs here, which build or adapter, or why not. */
export async function listBackends(): Promise<BackendReport[]> {
  const { probeBackends } = await import('../backends/select.js');
  return probeBackends();
}
