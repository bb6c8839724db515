// carafe(), createCarafe(): the operator and the learned module on tensors. What they do is a chunk of its own (operator.ts): a page that
// enlarges pictures does not load it. listBackends(): what runs here.
import type { BackendReport } from '../backends/select.js';
import { type Halves, isFloat32Array } from '../core/tag.js';
import type { Tensor } from '../core/tensor.js';
import type {
  CarafeModuleOptions,
  CarafeOptions,
  CarafeWeights,
  ConvParameters,
  HalfTensor,
  TensorLike,
} from './module-options.js';
import type { CarafeModule } from './operator.js';

/**
 * The reassembly, equal to mmcv's `carafe`: features (n, c, h, w), kernels (n, groups*kUp^2, h*scale, w*scale), already normalised
 * -> (n, c, h*scale, w*scale). Runs on this thread.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, BackendUnavailable, OutOfMemory
 * @example
 * const features = { data: new Float32Array(8 * 3 * 4).fill(1), shape: [1, 8, 3, 4] };
 * const kernels = { data: new Float32Array(25 * 6 * 8).fill(1 / 25), shape: [1, 25, 6, 8] };
 * const { shape } = await carafe(features, kernels, { scale: 2, kUp: 5 }); // [1, 8, 6, 8]
 */
export async function carafe(features: TensorLike, kernels: TensorLike, options?: CarafeOptions): Promise<Tensor>;
export async function carafe<H extends Halves>(
  features: HalfTensor<H>,
  kernels: HalfTensor,
  options?: CarafeOptions,
): Promise<HalfTensor<H>>;
export async function carafe(
  features: TensorLike | HalfTensor,
  kernels: TensorLike | HalfTensor,
  options: CarafeOptions = {},
): Promise<Tensor | HalfTensor> {
  const { reassemble } = await import('./operator.js');
  return reassemble(features, kernels, options);
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
  const copy = copyWeights(weights);
  const { openModule } = await import('./operator.js');
  return openModule(copy, options);
}

/**
 * The weights as they are now, whatever they are: they are checked when the chunk has loaded, and read again when a
 * worker is started again.
 */
function copyWeights(weights: CarafeWeights): CarafeWeights {
  if (typeof weights !== 'object' || weights === null) return weights;
  const { compress, encode, out } = weights;
  return { compress: copyConv(compress), encode: copyConv(encode), out: copyConv(out) };
}

function copyConv<Conv extends ConvParameters | undefined>(conv: Conv): Conv {
  if (typeof conv !== 'object' || conv === null) return conv;
  return { weights: copyTensor(conv.weights), bias: copyTensor(conv.bias), ghost: copyConv(conv.ghost) } as Conv;
}

function copyTensor<Values extends TensorLike | undefined>(tensor: Values): Values {
  return isFloat32Array(tensor?.data) ? ({ data: tensor.data.slice(), shape: tensor.shape } as Values) : tensor;
}

/** Tries each backend on this thread: whether it runs here, which build or adapter, or why not. */
export async function listBackends(): Promise<BackendReport[]> {
  const { probeBackends } = await import('../backends/select.js');
  return probeBackends();
}
