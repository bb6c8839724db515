// The operator on one thread: the learned module (createCarafe) and the plain reassembly (carafe), tensors in and out.
import type { Backend, CarafePack } from '../backends/backend.js';
import { type BackendRequest, openBackends, type Rejection } from '../backends/select.js';
import { CarafeError } from '../core/errors.js';
import type { Activation, Layout, Normalizer, Padding, Window } from '../core/shapes.js';
import type { Shape, Tensor } from '../core/tensor.js';
import { predictKernels } from './networks/carafe-pack.js';

/** Convolution weights (cOut, cIn, k, k) with an optional bias (cOut). */
export interface ConvSpec {
  readonly weights: Tensor;
  readonly bias?: Float32Array;
}

export interface CarafeSpec extends BackendRequest, Window {
  readonly compress?: ConvSpec;
  readonly encode: ConvSpec;
  readonly activation: Activation;
  readonly slope: number;
  readonly dilation: number;
  readonly normalizer: Normalizer;
  readonly padding: Padding;
  readonly layout: Layout;
  /** exact: no Winograd in the encoder. */
  readonly precision: 'fast' | 'exact';
}

export interface CarafeInfo {
  readonly backend: Backend['name'];
  readonly details: string;
  readonly rejected: readonly Rejection[];
}

/** What computes: an engine on this thread, or one in a worker. */
export interface CarafeRunner {
  readonly info: CarafeInfo;
  predictKernels(x: Tensor): Promise<Tensor>;
  /** The result's values are in `into` where given, or in memory that it was transferred to. */
  upsample(x: Tensor, into?: Float32Array): Promise<Tensor>;
}

export class CarafeEngine implements CarafeRunner {
  readonly info: CarafeInfo;
  readonly #spec: CarafeSpec;
  readonly #pack: CarafePack;
  #backend: Backend | undefined;

  /** @throws {CarafeError} BackendUnavailable */
  static async create(spec: CarafeSpec): Promise<CarafeEngine> {
    const {
      opened: [backend, ...others],
      rejected,
    } = await openBackends(spec);
    for (const other of others) other.dispose();
    const engine = new CarafeEngine(backend, spec, rejected);
    if (backend.name === 'webgpu') await engine.#compile();
    return engine;
  }

  private constructor(backend: Backend, spec: CarafeSpec, rejected: readonly Rejection[]) {
    this.info = { backend: backend.name, details: backend.details, rejected };
    this.#backend = backend;
    this.#spec = spec;
    const conv = ({
      weights: {
        data,
        shape: [cOut, cIn, k],
      },
      bias,
    }: ConvSpec) => backend.conv({ weights: data, bias, cOut, cIn, k, exact: spec.precision === 'exact' });
    const { compress, encode } = wholeVectors(spec);
    this.#pack = { ...spec, compress: compress && conv(compress), encode: conv(encode) };
  }

  /** x (n, c, h, w) -> kernels (n, groups*kUp^2, h*scale, w*scale); NHWC likewise with layout 'NHWC'. */
  async predictKernels(x: Tensor): Promise<Tensor> {
    const { layout, scale } = this.#spec;
    return runOn(this.#alive(), x, (ops, input) => {
      const kernels = ops.pixelShuffle(
        predictKernels(ops, this.#pack, layout === 'NHWC' ? input : ops.nchwToNhwc(input)),
        scale,
      );
      return layout === 'NHWC' ? kernels : ops.nhwcToNchw(kernels);
    });
  }

  /** x (n, c, h, w) -> (n, c, h*scale, w*scale). */
  async upsample(x: Tensor, into?: Float32Array): Promise<Tensor> {
    return runOn(this.#alive(), x, (ops, input) => ops.carafePack(input, this.#pack, this.#spec.layout), into);
  }

  dispose(): void {
    this.#backend?.dispose();
    this.#backend = undefined;
  }

  /** All pipelines of `upsample` now, not in the first call: they depend on everything but the map's size. */
  async #compile(): Promise<void> {
    const { layout, compress, encode } = this.#spec;
    const c = (compress ?? encode).weights.shape[1];
    await this.upsample({ data: new Float32Array(c), shape: layout === 'NCHW' ? [1, c, 1, 1] : [1, 1, 1, c] });
  }

  #alive(): Backend {
    if (!this.#backend) throw new CarafeError('Disposed', 'Expected a live carafe module, got one that was disposed');
    return this.#backend;
  }
}

/**
 * Compressed channels that are no multiple of 4 get zeros for company: activations keep zeros, so the results are the same, and the
 * encoder runs on whole vectors (C=61, cMid=15 at 50x50 on wasm: 4.2 -> 3.0 ms).
 */
function wholeVectors({ compress, encode }: CarafeSpec): Pick<CarafeSpec, 'compress' | 'encode'> {
  const [cOut, cMid, k] = encode.weights.shape;
  const padded = Math.ceil(cMid / 4) * 4;
  if (!compress || padded === cMid) return { compress, encode };
  const c = compress.weights.shape[1];
  const grown = (values: Float32Array, length: number): Float32Array => {
    const longer = new Float32Array(length);
    longer.set(values);
    return longer;
  };
  const weights = new Float32Array(cOut * padded * k * k);
  for (let co = 0; co < cOut; co++)
    weights.set(encode.weights.data.subarray(co * cMid * k * k, (co + 1) * cMid * k * k), co * padded * k * k);
  return {
    compress: {
      weights: { data: grown(compress.weights.data, padded * c), shape: [padded, c, 1, 1] },
      bias: compress.bias && grown(compress.bias, padded),
    },
    encode: { ...encode, weights: { data: weights, shape: [cOut, padded, k, k] } },
  };
}

type Program = Parameters<Backend['run']>[0];
type Ops = Parameters<Program>[0];
type Resident = ReturnType<Program>;

async function runOn(
  backend: Backend,
  { data, shape }: Tensor,
  body: (ops: Ops, x: Resident) => Resident,
  into?: Float32Array,
): Promise<Tensor> {
  let outShape: Shape = shape;
  const result = await backend.run((ops) => {
    const y = body(ops, ops.input(data, shape));
    outShape = y.shape;
    return y;
  }, into);
  return { data: result, shape: outShape };
}

/** The plain operator: features (n, c, h, w), kernels (n, groups*kUp^2, h*scale, w*scale) -> (n, c, h*scale, w*scale). */
export async function reassembleTensors(
  request: BackendRequest,
  features: Tensor,
  kernels: Tensor,
  window: Window,
  padding: Padding,
): Promise<Tensor> {
  const {
    opened: [backend, ...others],
  } = await openBackends(request);
  for (const other of others) other.dispose();
  let shape: Shape = features.shape;
  try {
    const data = await backend.run((ops) => {
      const x = ops.nchwToNhwc(ops.input(features.data, features.shape));
      const rows = ops.pixelUnshuffle(ops.nchwToNhwc(ops.input(kernels.data, kernels.shape)), window.scale);
      const y = ops.reassemble(x, rows, window, padding, 'NCHW');
      shape = y.shape;
      return y;
    });
    return { data, shape };
  } finally {
    backend.dispose();
  }
}
