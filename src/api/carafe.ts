// carafe(), createCarafe(): the operator and the learned module on tensors. listBackends(): what runs here.
// The engine is imported where it is needed on this thread, so that a page that works through workers does not load it.
import type { BackendReport } from '../backends/select.js';
import type { Shape, Tensor } from '../core/tensor.js';
import type { CarafeInfo, CarafeRunner, CarafeSpec } from '../engine/carafe-engine.js';
import { CarafeWorker } from '../worker/client.js';
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
  checkTensor,
  checkThread,
  checkWindow,
  kernelsShape,
  mayRunInline,
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
  const { reassembleTensors } = await import('../engine/carafe-engine.js');
  return reassembleTensors(request, x, k, window, padding);
}

/** The result of no images. */
function empty(shape: Shape, data: Float32Array = new Float32Array(0)): Tensor {
  return { data, shape };
}

export interface CarafeModule extends AsyncDisposable {
  readonly info: CarafeInfo & { readonly thread: 'worker' | 'inline' };
  /** x (n, c, h, w) -> the normalised kernels (n, groups*kUp^2, h*scale, w*scale) that `upsample` reassembles with. */
  predictKernels(x: TensorLike): Promise<Tensor>;
  /**
   * x (n, c, h, w) -> (n, c, h*scale, w*scale). `into`: an array whose memory takes the result, an earlier result for example; the first touch
   * of new memory is a third of the time of a call whose result is tens of MB. It belongs to the call: a worker has it transferred, so read the tensor that is returned.
   * On SharedArrayBuffers x and `into` are read and written where they are, also by a worker.
   * @throws {CarafeError} InvalidOption, ShapeMismatch, OutOfMemory, DeviceLost, WorkerCrashed, Disposed
   */
  upsample(x: TensorLike, options?: { into?: Float32Array }): Promise<Tensor>;
  /** Frees the worker and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/**
 * The learned module, equal to mmcv's `CARAFEPack`: compress (1x1), encode, pixel shuffle, normalise, reassemble.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, BackendUnavailable, WorkerCrashed
 * @example
 * const encode = { weights: { data: new Float32Array(100 * 8 * 9), shape: [100, 8, 3, 3] } };
 * const module = await createCarafe({ encode }, { scale: 2, kUp: 5 });
 * const { shape } = await module.upsample({ data: new Float32Array(8 * 3 * 4), shape: [1, 8, 3, 4] }); // [1, 8, 6, 8]
 * module.dispose();
 */
export async function createCarafe(weights: CarafeWeights, options: CarafeModuleOptions = {}): Promise<CarafeModule> {
  const checked = checkModule(weights, options);
  const request = await resolveBackend(options);
  const { thread, workerUrl } = checkThread(options, request);
  const spec: CarafeSpec = { ...checked, ...request };
  if (thread !== 'inline') {
    try {
      const worker = await CarafeWorker.create(spec, workerUrl);
      return new RunnerModule(worker, checked, 'worker', () => worker.terminate());
    } catch (error) {
      if (thread === 'worker' || !mayRunInline(error, spec)) throw error;
    }
  }
  const { CarafeEngine } = await import('../engine/carafe-engine.js');
  const engine = await CarafeEngine.create(spec);
  return new RunnerModule(engine, checked, 'inline', () => engine.dispose());
}

class RunnerModule implements CarafeModule {
  readonly info: CarafeModule['info'];
  readonly #runner: CarafeRunner;
  readonly #checked: CheckedModule;
  readonly #dispose: () => void;

  constructor(runner: CarafeRunner, checked: CheckedModule, thread: 'worker' | 'inline', dispose: () => void) {
    this.info = { ...runner.info, thread };
    this.#runner = runner;
    this.#checked = checked;
    this.#dispose = dispose;
  }

  async predictKernels(x: TensorLike): Promise<Tensor> {
    const features = checkFeatures(x, this.#checked);
    checkKernels(features, this.#checked);
    if (features.shape[0] === 0) return empty(kernelsShape(features.shape, this.#checked));
    return this.#runner.predictKernels(features);
  }

  async upsample(x: TensorLike, options: { into?: Float32Array } = {}): Promise<Tensor> {
    const features = checkFeatures(x, this.#checked);
    const into = checkInto(options, features, this.#checked.scale);
    if (features.shape[0] === 0) return empty(upsampledShape(features.shape, this.#checked), into);
    return this.#runner.upsample(features, into);
  }

  dispose(): void {
    this.#dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }
}

/** Tries each backend on this thread: whether it runs here, which build or adapter, or why not. */
export async function listBackends(): Promise<BackendReport[]> {
  const { probeBackends } = await import('../backends/select.js');
  return probeBackends();
}
