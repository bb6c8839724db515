// CARAFE as ops that every ONNX runtime has (Pad, Slice, Mul, Add, DepthToSpace; opset 13), without unfold: for each
// tap the shifted features times that tap's kernels at the input's resolution, the sub-pixels as channels. Any n, h and
// w. Ten times as quick in ONNX Runtime as the nearest + unfold + einsum of PyTorch implementations (BENCHMARKS.md).
import type { Activation, Normalizer, Padding, Window } from '../core/shapes.js';
import type { CarafeOptions, ConvSpec } from '../engine/carafe.js';
import type { OnnxGraph } from './graph.js';

const END = 2n ** 63n - 1n; // of a Slice: to the end

/** The module as a graph needs it: complete options, weights [out, in, k, k]. */
export type OnnxModule = Omit<CarafeOptions, 'layout' | 'precision'>;

/** x (n, c, h, w) -> (n, c, h*scale, w*scale): the name of the result. */
export function carafeModule(g: OnnxGraph, x: string, module: OnnxModule, output?: string): string {
  const { activation, slope, dilation } = module;
  const stage = (input: string, spec: ConvSpec, activated: boolean, wide = 1): string => {
    const act = (y: string): string => (activated || spec.ghost ? activate(g, y, activation, slope) : y);
    const y = act(conv(g, input, spec, wide));
    if (!spec.ghost) return y;
    return g.node('Concat', [y, act(conv(g, y, spec.ghost, 1, spec.ghost.weights.shape[0]))], { axis: 1 });
  };
  const compressed = module.compress ? stage(x, module.compress, true) : x;
  const encoded = stage(compressed, module.encode, false, dilation);
  const { groups, kUp, scale } = module;
  const size = spatial(g, x);
  // The encoder's channels are [group][tap][sub-pixel]: pixel shuffle is never needed before the sum.
  const rows = g.node('Reshape', [
    encoded,
    g.node('Concat', [g.ints(-1, groups, kUp * kUp, scale * scale), size], { axis: 0 }),
  ]);
  const kernels = normalize(g, rows, module.normalizer);
  if (!module.out) return reassemble(g, x, kernels, module, module.padding, output);
  const y = stage(reassemble(g, x, kernels, module, module.padding), module.out, false);
  return g.node('Identity', [y], {}, output);
}

/** mmcv's operator: kernels (n, groups*kUp^2, h*scale, w*scale) as they are. */
export function carafeOperator(
  g: OnnxGraph,
  features: string,
  kernels: string,
  window: Window,
  output?: string,
): string {
  const { groups, kUp, scale } = window;
  // SpaceToDepth puts the sub-pixel first: [sub-pixel][group][tap], so it is moved behind them.
  const low = scale === 1 ? kernels : g.node('SpaceToDepth', [kernels], { blocksize: scale });
  const rows = g.node('Reshape', [
    low,
    g.node('Concat', [g.ints(-1, scale * scale, groups, kUp * kUp), spatial(g, features)], { axis: 0 }),
  ]);
  return reassemble(g, features, g.node('Transpose', [rows], { perm: [0, 2, 3, 1, 4, 5] }), window, 'zero', output);
}

/** kernels [n, groups, taps, sub-pixels, h, w]. */
function reassemble(
  g: OnnxGraph,
  x: string,
  kernels: string,
  { scale, kUp, groups }: Window,
  padding: Padding,
  output?: string,
): string {
  const r = (kUp - 1) / 2;
  const padded =
    r === 0
      ? x
      : g.node('Pad', [x, g.ints(0, 0, r, r, 0, 0, r, r)], {
          mode: { zero: 'constant', replicate: 'edge', reflect: 'reflect' }[padding],
        });
  const size = spatial(g, x);
  const grouped = (values: string): string =>
    // [n, c, h, w] -> [n, groups, c / groups, 1, h, w]
    g.node('Reshape', [values, g.node('Concat', [g.ints(0, groups, -1, 1), size], { axis: 0 })]);
  let sum: string | undefined;
  for (let tap = 0; tap < kUp * kUp; tap++) {
    const [ky, kx] = [Math.floor(tap / kUp), tap % kUp];
    const end = (k: number): bigint => (k === 2 * r ? END : BigInt(k - 2 * r));
    const shifted = r === 0 ? x : g.node('Slice', [padded, g.ints(ky, kx), g.ints(end(ky), end(kx)), g.ints(2, 3)]);
    const weights = g.node('Slice', [kernels, g.ints(tap), g.ints(tap + 1), g.ints(2)]); // [n, groups, 1, sub-pixels, h, w]
    const product = g.node('Mul', [grouped(shifted), weights]);
    sum = sum === undefined ? product : g.node('Add', [sum, product]);
  }
  // [n, groups, c / groups, sub-pixels, h, w] -> [n, c * sub-pixels, h, w]
  const c = g.node('Slice', [g.node('Shape', [x]), g.ints(1), g.ints(2), g.ints(0)]);
  const channels = g.node('Mul', [c, g.ints(scale * scale)]);
  const flat = g.node('Concat', [g.ints(-1), channels, size], { axis: 0 });
  if (scale === 1) return g.node('Reshape', [sum as string, flat], {}, output);
  return g.node('DepthToSpace', [g.node('Reshape', [sum as string, flat])], { blocksize: scale, mode: 'CRD' }, output);
}

/** [h, w] of a tensor (n, c, h, w), as values of the graph. */
function spatial(g: OnnxGraph, x: string): string {
  return g.node('Slice', [g.node('Shape', [x]), g.ints(2), g.ints(4), g.ints(0)]);
}

function conv(g: OnnxGraph, x: string, { weights, bias }: ConvSpec, dilation: number, group = 1): string {
  const [cOut, , k] = weights.shape;
  const pad = ((k - 1) * dilation) / 2;
  const parameters = [g.constant(weights.data, weights.shape), ...(bias ? [g.constant(bias, [cOut])] : [])];
  return g.node('Conv', [x, ...parameters], {
    dilations: [dilation, dilation],
    group,
    kernel_shape: [k, k],
    pads: [pad, pad, pad, pad],
  });
}

function activate(g: OnnxGraph, x: string, activation: Activation, slope: number): string {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return g.node('Relu', [x]);
    case 'leaky-relu':
      return g.node('LeakyRelu', [x], { alpha: { float: slope } });
    case 'silu':
      return g.node('Mul', [x, g.node('Sigmoid', [x])]);
    case 'hardswish':
      return g.node('Mul', [x, g.node('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } })]);
  }
}

/** Over the taps of [n, groups, taps, sub-pixels, h, w]. */
function normalize(g: OnnxGraph, rows: string, normalizer: Normalizer): string {
  if (normalizer === 'softmax') return g.node('Softmax', [rows], { axis: 2 });
  const kernels = g.node('Sigmoid', [rows]);
  if (normalizer === 'sigmoid') return kernels;
  return g.node('Div', [kernels, g.node('ReduceSum', [kernels, g.ints(2)], { keepdims: 1 })]);
}
