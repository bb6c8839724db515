// The operator, tensors in and out: the learned module (createCarafe), and the reassembly alone (carafe).
import type { Backend, DeviceConv, DeviceTensor, Ops } from '../backends/backend.js';
import { expected } from '../core/errors.js';
import {
  type Activation,
  type Layout,
  moduleResultLength,
  type Normalizer,
  type Padding,
  type Window,
} from '../core/shapes.js';
import { elements, type Shape, stillThere, type Tensor } from '../core/tensor.js';
import { type CarafeStage, type CarafeStages, predictKernels, upsample } from './networks/carafe-pack.js';
import type { Spec } from './session.js';

/** Convolution weights (cOut, cIn, k, k) with an optional bias (cOut); `ghost` is GhostConv's depthwise half (cOut, 1, k, k). */
export interface ConvSpec {
  readonly weights: Tensor;
  readonly bias?: Float32Array;
  readonly ghost?: ConvSpec;
}

export interface CarafeOptions extends Window {
  readonly compress?: ConvSpec;
  readonly encode: ConvSpec;
  /** After the reassembly. */
  readonly out?: ConvSpec;
  readonly activation: Activation;
  readonly slope: number;
  readonly dilation: number;
  readonly normalizer: Normalizer;
  readonly padding: Padding;
  readonly layout: Layout;
  /** exact: no Winograd in the encoder. */
  readonly precision: 'fast' | 'exact';
}

const PROBED_VALUES = 2 ** 20; // of a probe's features, at most

/** The learned module. x (n, c, h, w), or (n, h, w, c) in layout NHWC; results likewise. */
export const carafeModule = {
  half: false,
  open(backend: Backend, options: CarafeOptions) {
    const { layout, scale } = options;
    const module = carafeStages(backend, options);

    const programs = {
      /** -> the kernels (n, groups*kUp^2, h*scale, w*scale). */
      predictKernels: (x: Tensor) =>
        runTensors(backend, (ops) => {
          const features = input(ops, 'x', x);
          const rows = predictKernels(ops, module, layout === 'NHWC' ? features : ops.nchwToNhwc(features));
          const kernels = ops.pixelShuffle(rows, scale);
          return layout === 'NHWC' ? kernels : ops.nhwcToNchw(kernels);
        }),
      /** -> (n, c, h*scale, w*scale), in `into` if that is still there. */
      upsample: (x: Tensor, into?: Float32Array) => {
        const place = into?.length === moduleResultLength(x.data.length, options) ? into : undefined;
        return runTensors(backend, (ops) => upsample(ops, module, input(ops, 'x', x), layout), place);
      },
    };
    const c = (options.compress ?? options.encode).weights.shape[1];
    const probe = (side: number): Promise<Tensor> => {
      const size = Math.max(1, Math.min(side, Math.floor(Math.sqrt(PROBED_VALUES / c))));
      return programs.upsample(zeros(layout === 'NCHW' ? [1, c, size, size] : [1, size, size, c]));
    };
    return { facts: {}, programs, probe };
  },
} satisfies Spec<CarafeOptions, object>;

/** The reassembly alone. */
export const reassembly = {
  half: false,
  open(backend: Backend, _options: object) {
    const programs = {
      /** features (n, c, h, w), kernels (n, groups*kUp^2, h*scale, w*scale) -> (n, c, h*scale, w*scale). */
      reassemble: (features: Tensor, kernels: Tensor, window: Window, padding: Padding) =>
        runTensors(backend, (ops) => {
          const x = ops.nchwToNhwc(input(ops, 'features', features));
          const rows = ops.pixelUnshuffle(ops.nchwToNhwc(input(ops, 'kernels', kernels)), window.scale);
          return ops.reassemble(x, rows, window, padding, 'NCHW');
        }),
    };
    const window = { scale: 2, kUp: 5, groups: 1 };
    const probe = (side: number): Promise<Tensor> =>
      programs.reassemble(zeros([1, 64, side, side]), zeros([1, 25, 2 * side, 2 * side]), window, 'zero');
    return { facts: {}, programs, probe };
  },
} satisfies Spec<object, object>;

/** The module's convolutions packed for a backend. */
export function carafeStages(backend: Pick<Backend, 'conv'>, options: CarafeOptions): CarafeStages {
  const pack = ({
    weights: {
      data,
      shape: [cOut, cIn, k],
    },
    bias,
  }: ConvSpec): DeviceConv => backend.conv({ weights: data, bias, cOut, cIn, k, exact: options.precision === 'exact' });
  const stage = (spec: ConvSpec): CarafeStage => {
    if (!spec.ghost) return { conv: pack(spec) };
    const { primary, cheap } = ghostConvs(spec, spec.ghost);
    return { conv: pack(primary), cheap: pack(cheap) };
  };
  const { compress, encode } = wholeVectors(options);
  return {
    ...options,
    compress: compress && stage(compress),
    encode: stage(encode),
    out: options.out && stage(options.out),
  };
}

async function runTensors(backend: Backend, program: (ops: Ops) => DeviceTensor, into?: Float32Array): Promise<Tensor> {
  let shape!: Shape;
  const data = await backend.run((ops) => {
    const y = program(ops);
    ({ shape } = y);
    return y;
  }, into);
  return { data, shape };
}

/** @throws {CarafeError} ShapeMismatch if the values have gone since they were checked: transferred, or their buffer shrunk. */
export function input(ops: Ops, name: string, { data, shape }: Tensor): DeviceTensor {
  const length = elements(shape);
  const values = stillThere(data, length);
  if (values) return ops.input(values, shape);
  throw expected('ShapeMismatch', `${name}.data`, `${length} values until the call settles`, 'none');
}

export function zeros(shape: Shape): Tensor {
  return { data: new Float32Array(elements(shape)), shape };
}

/**
 * GhostConv as two plain convolutions: y = act(primary(x)), whose second half is zeros, and act(cheap(y)) + y, whose first half is zeros
 * before the addition. Every activation keeps zeros.
 */
export function ghostConvs(
  { weights, bias }: ConvSpec,
  { weights: depthwise, bias: depthwiseBias }: ConvSpec,
): { primary: ConvSpec; cheap: ConvSpec } {
  const [c, cIn, k] = weights.shape;
  const [, , size] = depthwise.shape;
  const primary = new Float32Array(2 * c * cIn * k * k);
  primary.set(weights.data);
  const primaryBias = new Float32Array(2 * c);
  if (bias) primaryBias.set(bias);
  const cheap = new Float32Array(2 * c * 2 * c * size * size);
  const cheapBias = new Float32Array(2 * c);
  if (depthwiseBias) cheapBias.set(depthwiseBias, c);
  for (let i = 0; i < c; i++)
    cheap.set(depthwise.data.subarray(i * size * size, (i + 1) * size * size), ((c + i) * 2 * c + i) * size * size);
  return {
    primary: { weights: { data: primary, shape: [2 * c, cIn, k, k] }, bias: primaryBias },
    cheap: { weights: { data: cheap, shape: [2 * c, 2 * c, size, size] }, bias: cheapBias },
  };
}

/**
 * Compressed channels that are no multiple of 4 get zeros for company: activations keep zeros, so the results are the same, and the
 * encoder runs on whole vectors (C=61, cMid=15 at 50x50 on wasm: 4.2 -> 3.0 ms).
 */
function wholeVectors({ compress, encode }: CarafeOptions): Pick<CarafeOptions, 'compress' | 'encode'> {
  const [cOut, cMid, k] = encode.weights.shape;
  const padded = Math.ceil(cMid / 4) * 4;
  if (!compress || compress.ghost || encode.ghost || padded === cMid) return { compress, encode };
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
