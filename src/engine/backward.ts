// What a loss changes by the operator's and the module's inputs and parameters, given what it changes by their results.
// The module's forward values are computed again, every op as it is written; nothing is kept from upsample().
import type { DeviceConv, DeviceTensor } from '../backends/backend.js';
import { PLAIN } from '../backends/backend.js';
import type { GradientBackend, GradientOps } from '../backends/gradients.js';
import { transposedConv } from '../backends/transposed-conv.js';
import type { Activation, Padding, Window } from '../core/shapes.js';
import type { Tensor } from '../core/tensor.js';
import { type CarafeOptions, type ConvSpec, ghostConvs } from './carafe.js';

/** Of the weights of one convolution, in their shapes; of a bias only where there is one. */
export interface ConvGradients {
  readonly weights: Tensor;
  readonly bias?: { readonly data: Float32Array; readonly shape: readonly [number] };
  readonly ghost?: ConvGradients;
}

export interface CarafeGradients {
  readonly x: Tensor;
  readonly compress?: ConvGradients;
  readonly encode: ConvGradients;
  readonly out?: ConvGradients;
}

type Ops = GradientOps<DeviceTensor, DeviceConv>;

/** features (n, c, h, w), kernels (n, groups*kUp^2, h*scale, w*scale), gradient (n, c, h*scale, w*scale). */
export async function reassemblyGradients(
  backend: GradientBackend,
  [features, kernels, gradient]: readonly [Tensor, Tensor, Tensor],
  window: Window,
  padding: Padding,
): Promise<{ features: Tensor; kernels: Tensor }> {
  const [x, rows] = await backend.run((ops) => {
    const [f, k, g] = [features, kernels, gradient].map(({ data, shape }) => ops.nchwToNhwc(ops.input(data, shape)));
    const by = ops.reassembleGradient(f, ops.pixelUnshuffle(k, window.scale), g, window, padding);
    return [ops.nhwcToNchw(by.features), ops.nhwcToNchw(ops.pixelShuffle(by.rows, window.scale))];
  });
  return { features: x, kernels: rows };
}

/** The learned module's. Its convolutions are packed once. */
export function moduleGradients(
  backend: GradientBackend,
  options: CarafeOptions,
): (x: Tensor, gradient: Tensor) => Promise<CarafeGradients> {
  const { compress, encode, out, normalizer, dilation, activation, slope, layout, padding } = options;
  const stages = {
    compress: compress && new Stage(backend, compress, 1, { activation, slope }),
    encode: new Stage(backend, encode, dilation, encode.ghost ? { activation, slope } : undefined),
    out: out && new Stage(backend, out, 1, out.ghost ? { activation, slope } : undefined),
  };
  return async (x, gradient) => {
    const results = await backend.run((ops) => {
      const inside = ({ data, shape }: Tensor): DeviceTensor => {
        const value = ops.input(data, shape);
        return layout === 'NHWC' ? value : ops.nchwToNhwc(value);
      };
      const [features, given] = [inside(x), inside(gradient)];
      // Forward.
      const compressed = stages.compress?.forward(ops, features) ?? { y: features };
      const logits = stages.encode.forward(ops, compressed.y);
      const kernels = ops.normalizeKernels(logits.y, options, normalizer);
      // Back.
      let byResult = given;
      let byOut: readonly DeviceTensor[] = [];
      if (stages.out) {
        const reassembled = ops.reassemble(features, kernels, options, padding, 'NHWC');
        const back = stages.out.backward(ops, stages.out.forward(ops, reassembled), given);
        [byResult, byOut] = [back.x, back.parameters];
      }
      const by = ops.reassembleGradient(features, kernels, byResult, options, padding);
      const byLogits = ops.normalizerGradient(logits.y, kernels, by.rows, options, normalizer);
      const encoded = stages.encode.backward(ops, logits, byLogits, stages.compress ? undefined : by.features);
      const first = stages.compress?.backward(ops, compressed as Forward, encoded.x, by.features);
      const byX = (first ?? encoded).x;
      return [
        layout === 'NHWC' ? byX : ops.nhwcToNchw(byX),
        ...encoded.parameters,
        ...(first?.parameters ?? []),
        ...byOut,
      ];
    });
    const [byX, ...rest] = results;
    const take = (stage: Stage): ConvGradients => stage.take(rest);
    const encodeGradients = take(stages.encode);
    return {
      x: byX,
      encode: encodeGradients,
      ...(stages.compress && { compress: take(stages.compress) }),
      ...(stages.out && { out: take(stages.out) }),
    };
  };
}

/** What backward() needs of forward(). */
interface Forward {
  readonly x: DeviceTensor;
  readonly y: DeviceTensor;
  /** Before the activation; of a GhostConv's second half, and its input. */
  readonly sums?: DeviceTensor;
  readonly cheap?: { readonly x: DeviceTensor; readonly sums: DeviceTensor };
}

interface Curve {
  readonly activation: Activation;
  readonly slope: number;
}

interface Packed {
  readonly conv: DeviceConv;
  readonly transposed: DeviceConv;
}

/** One convolution, or GhostConv, which is two: y = act(conv(x)), then act(cheap(y)) + y. */
class Stage {
  readonly #spec: ConvSpec;
  readonly #conv: Packed;
  readonly #cheap: Packed | undefined;
  readonly #dilation: number;
  readonly #curve: Curve | undefined;

  constructor(backend: Pick<GradientBackend, 'conv'>, spec: ConvSpec, dilation: number, curve: Curve | undefined) {
    const pack = ({ weights: { data, shape }, bias }: ConvSpec): Packed => {
      const [cOut, cIn, k] = shape;
      const conv = { weights: data, bias, cOut, cIn, k, exact: true };
      return { conv: backend.conv(conv), transposed: backend.conv({ ...transposedConv(conv), exact: true }) };
    };
    const dense = spec.ghost && ghostConvs(spec, spec.ghost);
    this.#spec = spec;
    this.#conv = pack(dense?.primary ?? spec);
    this.#cheap = dense && pack(dense.cheap);
    this.#dilation = dilation;
    this.#curve = curve?.activation === 'none' ? undefined : curve;
  }

  forward(ops: Ops, x: DeviceTensor): Forward {
    const dilation = this.#dilation;
    const run = (input: DeviceTensor, { conv }: Packed, wide: number, residual?: DeviceTensor): Forward => {
      const plain = { ...PLAIN, dilation: wide };
      if (!this.#curve) return { x: input, y: ops.conv2d(input, conv, { ...plain, ...(residual && { residual }) }) };
      const y = ops.conv2d(input, conv, { ...plain, ...this.#curve, ...(residual && { residual }) });
      return { x: input, y, sums: ops.conv2d(input, conv, plain) };
    };
    const first = run(x, this.#conv, dilation);
    if (!this.#cheap) return first;
    const second = run(first.y, this.#cheap, 1, first.y);
    return { ...first, y: second.y, cheap: { x: first.y, sums: second.sums ?? second.y } };
  }

  /** `more` is added to the gradient by x. The parameters' are in the order that take() knows. */
  backward(
    ops: Ops,
    { x, sums, cheap }: Forward,
    gradient: DeviceTensor,
    more?: DeviceTensor,
  ): { x: DeviceTensor; parameters: readonly DeviceTensor[] } {
    const { activation = 'none', slope = 1 } = this.#curve ?? {};
    const before = (value: DeviceTensor | undefined, g: DeviceTensor): DeviceTensor =>
      value && activation !== 'none' ? ops.activationGradient(value, g, activation, slope) : g;
    const back = (
      input: DeviceTensor,
      { conv, transposed }: Packed,
      g: DeviceTensor,
      dilation: number,
      residual?: DeviceTensor,
    ): { x: DeviceTensor; parameters: readonly DeviceTensor[] } => {
      const { weights, bias } = ops.conv2dGradient(input, g, conv.k, dilation);
      const y = ops.conv2d(g, transposed, { ...PLAIN, dilation, ...(residual && { residual }) });
      return { x: y, parameters: [weights, bias] };
    };
    if (!cheap || !this.#cheap) return back(x, this.#conv, before(sums, gradient), this.#dilation, more);
    const second = back(cheap.x, this.#cheap, before(cheap.sums, gradient), 1, gradient);
    const first = back(x, this.#conv, before(sums, second.x), this.#dilation, more);
    return { x: first.x, parameters: [...first.parameters, ...second.parameters] };
  }

  /** Takes what backward() gave off the front of the list. */
  take(results: Tensor[]): ConvGradients {
    const { weights, bias, ghost } = this.#spec;
    const [byWeights, byBias] = results.splice(0, 2);
    if (!ghost) return { weights: byWeights, ...(bias && { bias: vector(byBias.data) }) };
    // Of the dense convolutions: the primary's first half, and the cheap one's diagonal from the second half on.
    const [c, cIn, k] = weights.shape;
    const [byCheap, byCheapBias] = results.splice(0, 2);
    const size = ghost.weights.shape[2] ** 2;
    const depthwise = new Float32Array(c * size);
    for (let i = 0; i < c; i++)
      depthwise.set(byCheap.data.subarray(((c + i) * 2 * c + i) * size, ((c + i) * 2 * c + i + 1) * size), i * size);
    return {
      weights: { data: byWeights.data.slice(0, c * cIn * k * k), shape: weights.shape },
      ...(bias && { bias: vector(byBias.data.slice(0, c)) }),
      ghost: {
        weights: { data: depthwise, shape: ghost.weights.shape },
        ...(ghost.bias && { bias: vector(byCheapBias.data.slice(c)) }),
      },
    };
  }
}

function vector(data: Float32Array): { data: Float32Array; shape: readonly [number] } {
  return { data, shape: [data.length] };
}
