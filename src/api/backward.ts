// carafeBackward(), and createCarafe() of carafe-web/backward: gradients, for those who train where they run.
import type { BackendRequest, Rejection } from '../backends/select.js';
import { candidates, unavailable } from '../backends/select.js';
import type { GradientBackend } from '../backends/gradients.js';
import { CarafeError, expected } from '../core/errors.js';
import type { Tensor } from '../core/tensor.js';
import { type CarafeGradients, moduleGradients, reassemblyGradients } from '../engine/backward.js';
import { createCarafe as createModule } from './carafe.js';
import type { CarafeModule } from './operator.js';
import {
  type CarafeModuleOptions,
  type CarafeOptions,
  type CarafeWeights,
  checkFeatures,
  type CheckedModule,
  checkModule,
  checkReassembly,
  checkTensor,
  checkWindow,
  type TensorLike,
  upsampledShape,
} from './module-options.js';
import { type BackendOptions, resolveBackend } from './options.js';

/**
 * What a loss changes by features and kernels, given what it changes by `carafe(features, kernels, options)`: features (n, c, h, w), kernels
 * (n, groups*kUp^2, h*scale, w*scale), gradient (n, c, h*scale, w*scale). Equal to the backward of mmcv's `carafe`. Runs on this thread.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, BackendUnavailable, OutOfMemory, DeviceLost
 * @example
 * const features = { data: new Float32Array(8 * 3 * 4).fill(1), shape: [1, 8, 3, 4] };
 * const kernels = { data: new Float32Array(25 * 6 * 8).fill(1 / 25), shape: [1, 25, 6, 8] };
 * const gradient = { data: new Float32Array(8 * 6 * 8).fill(1), shape: [1, 8, 6, 8] };
 * const by = await carafeBackward(features, kernels, gradient, { scale: 2, kUp: 5 }); // by.features [1, 8, 3, 4], by.kernels [1, 25, 6, 8]
 */
export async function carafeBackward(
  features: TensorLike,
  kernels: TensorLike,
  gradient: TensorLike,
  options: CarafeOptions = {},
): Promise<{ features: Tensor; kernels: Tensor }> {
  const { window, padding } = checkWindow(options);
  const [x, k, g] = [
    checkTensor('features', features),
    checkTensor('kernels', kernels),
    checkTensor('gradient', gradient),
  ];
  checkReassembly(x, k, window);
  const [n, c] = x.shape;
  checkGradient(g, [n, c, k.shape[2], k.shape[3]]);
  const request = await resolveBackend(options);
  if (n === 0)
    return {
      features: { data: new Float32Array(0), shape: x.shape },
      kernels: { data: new Float32Array(0), shape: k.shape },
    };
  const backend = await openGradients(request);
  try {
    return await reassemblyGradients(backend, [x, k, g], window, padding);
  } finally {
    backend.dispose();
  }
}

/** A module that is trained where it runs. */
export interface TrainableCarafe extends CarafeModule {
  /**
   * What a loss changes by x and by every weight, given what it changes by `upsample(x)` (`gradient`, of its shape). Computed on this thread,
   * forward values too, on the backend that the module runs on; convolutions are plain sums.
   * @throws {CarafeError} ShapeMismatch, BackendUnavailable, OutOfMemory, DeviceLost, Disposed
   */
  backward(x: TensorLike, gradient: TensorLike): Promise<CarafeGradients>;
}

/**
 * createCarafe of carafe-web, with `backward`.
 * @throws {CarafeError} as that
 * @example
 * const encode = { weights: { data: new Float32Array(100 * 8 * 9), shape: [100, 8, 3, 3] } };
 * const module = await createCarafe({ encode }, { scale: 2, kUp: 5 });
 * const x = { data: new Float32Array(8 * 3 * 4), shape: [1, 8, 3, 4] };
 * const by = await module.backward(x, { data: new Float32Array(8 * 6 * 8), shape: [1, 8, 6, 8] }); // by.x, by.encode.weights
 * module.dispose();
 */
export async function createCarafe(
  weights: CarafeWeights,
  options: CarafeModuleOptions = {},
): Promise<TrainableCarafe> {
  const checked = copied(checkModule(weights, options));
  const module = await createModule(weights, options);
  return new Trainable(module, checked, options);
}

class Trainable implements TrainableCarafe {
  readonly upsample: CarafeModule['upsample'];
  readonly predictKernels: CarafeModule['predictKernels'];
  readonly #module: CarafeModule;
  readonly #checked: CheckedModule;
  readonly #options: BackendOptions;
  #opened: Promise<{ backend: GradientBackend; gradients: ReturnType<typeof moduleGradients> }> | undefined;
  #disposed = false;

  constructor(module: CarafeModule, checked: CheckedModule, options: BackendOptions) {
    this.#module = module;
    this.#checked = checked;
    this.#options = options;
    this.upsample = module.upsample.bind(module) as CarafeModule['upsample'];
    this.predictKernels = module.predictKernels.bind(module) as CarafeModule['predictKernels'];
  }

  get info(): CarafeModule['info'] {
    return this.#module.info;
  }

  async backward(x: TensorLike, gradient: TensorLike): Promise<CarafeGradients> {
    const features = checkFeatures(x, this.#checked);
    const g = checkTensor('gradient', gradient);
    checkGradient(g, upsampledShape(features.shape, this.#checked));
    if (features.shape[0] === 0) throw expected('ShapeMismatch', 'x', 'at least one image', features.shape);
    if (this.#disposed) throw disposed();
    this.#opened ??= this.#open();
    this.#opened.catch(() => {
      this.#opened = undefined; // the next call tries again
    });
    const { gradients } = await this.#opened;
    return gradients(features, g);
  }

  dispose(): void {
    this.#disposed = true;
    this.#module.dispose();
    this.#opened?.then(
      ({ backend }) => backend.dispose(),
      () => {},
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  async #open(): Promise<{ backend: GradientBackend; gradients: ReturnType<typeof moduleGradients> }> {
    const { backend: name } = this.#module.info;
    const backend = await openGradients({ ...(await resolveBackend(this.#options)), backend: [name] });
    if (this.#disposed) {
      backend.dispose();
      throw disposed();
    }
    return { backend, gradients: moduleGradients(backend, this.#checked) };
  }
}

/** The first that opens; `auto` takes a GPU that is no software over wasm. @throws {CarafeError} BackendUnavailable */
async function openGradients(request: BackendRequest): Promise<GradientBackend> {
  const rejected: Rejection[] = [];
  for (const name of candidates(request)) {
    try {
      return await open(name, request);
    } catch (error) {
      rejected.push({ backend: name, reason: (error as Error).message });
    }
  }
  throw unavailable(rejected);
}

async function open(name: 'reference' | 'wasm' | 'webgpu', request: BackendRequest): Promise<GradientBackend> {
  switch (name) {
    case 'reference':
      return (await import('../backends/reference/reference-gradients.js')).createReferenceGradients();
    case 'wasm': {
      const [{ openWasmBackend, openWasmModule }, { createWasmGradients }] = await Promise.all([
        import('../backends/wasm/builds.js'),
        import('../backends/wasm/wasm-gradients.js'),
      ]);
      const { wasm } = request;
      return createWasmGradients(await (wasm ? openWasmModule(wasm, 'module of the caller') : openWasmBackend()));
    }
    case 'webgpu': {
      const [{ isSoftwareAdapter, openDevice }, { createWebgpuGradients }, { default: shaders }] = await Promise.all([
        import('../backends/webgpu/adapter.js'),
        import('../backends/webgpu/webgpu-gradients.js'),
        import('../backends/webgpu/shader-texts.js'),
      ]);
      const { device, backend } = request;
      if (backend === 'auto' && device && isSoftwareAdapter(device.adapterInfo))
        throw new CarafeError('BackendUnavailable', 'the device is a software adapter, slower than wasm');
      return createWebgpuGradients(device ?? (await openDevice(backend === 'auto')), shaders, !device);
    }
  }
}

function checkGradient({ shape }: Tensor, want: readonly number[]): void {
  if (shape.join() !== want.join())
    throw expected('ShapeMismatch', 'gradient', `shape [${want.join(', ')}], the result's,`, shape);
}

function copied(module: CheckedModule): CheckedModule {
  return structuredClone(module);
}

const disposed = (): CarafeError => new CarafeError('Disposed', 'Expected a live object, got one that was disposed');
