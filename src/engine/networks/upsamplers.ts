// The upsamplers that the paper compares (arXiv:1905.02188, table 2), and DySample: each makes [n, 2h, 2w, c] of
// [n, h, w, c], as a function over ops. The names of their tensors are mmcv's where it has the layer
// (build_upsample_layer), DySample's own, and torch's for the rest.
import { type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import { expected } from '../../core/errors.js';
import { reachOf, upsample } from './carafe-pack.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';

/** x [n, h, w, c] -> [n, 2h, 2w, c]; x is still there. */
export interface Upsampler {
  (ops: Ops, x: DeviceTensor): DeviceTensor;
  /** How many pixels of x on each side of its own an output depends on, where that is counted. */
  readonly reach?: number;
}

const SCALE = 2;

/** @param name of the layer; its tensors' names begin with `name.`. @throws {CarafeError} ModelInvalid */
export function loadUpsampler(weights: StateDict, name: string, kind: NetworkUpsampler, c: number): Upsampler {
  switch (kind) {
    case 'nearest':
      return nearest;
    case 'bilinear':
      return bilinear;
    case 'nearest-conv':
    case 'bilinear-conv': {
      const conv = weights.conv(`${name}.conv`, { cIn: c });
      const enlarge = kind === 'nearest-conv' ? nearest : bilinear;
      return (ops, x) => consume(ops, enlarge(ops, x), (big) => ops.conv2d(big, conv, PLAIN));
    }
    case 'deconv':
      return loadDeconv(weights, name, c);
    case 'pixel-shuffle': {
      const conv = weights.conv(`${name}.upsample_conv`, { cIn: c });
      if (conv.cOut % SCALE ** 2 !== 0)
        throw expected('ModelInvalid', `${name}.upsample_conv.weight`, 'outputs that 4 divides', conv.cOut);
      return (ops, x) => consume(ops, ops.conv2d(x, conv, PLAIN), (rows) => ops.pixelShuffle(rows, SCALE));
    }
    case 'gum': {
      const guidance = loadGuidance(weights, `${name}.guidance`, c);
      return (ops, x) => consume(ops, guidance(ops, bilinear(ops, x)), (offsets) => ops.gridSample(x, offsets, 1));
    }
    case 'spatial-attention': {
      const attention = weights.conv(`${name}.attention`, { cIn: c, cOut: 1 });
      return (ops, x) => consume(ops, bilinear(ops, x), (big) => attended(ops, big, attention));
    }
    case 'carafe': {
      const module = weights.carafe(name, c);
      const run: Upsampler = (ops, x) => upsample(ops, module, x, 'NHWC');
      return Object.assign(run, { reach: reachOf(module) });
    }
    case 'dysample':
      return loadDySample(weights, name, c);
  }
}

/** Every value SCALE x SCALE times: a reassembly whose window is the pixel itself. */
export function nearest(ops: Ops, x: DeviceTensor): DeviceTensor {
  const [n, h, w] = x.shape;
  const ones = ops.input(new Float32Array(n * h * w * SCALE ** 2).fill(1), [n, h, w, SCALE ** 2]);
  return consume(ops, ones, (kernels) =>
    ops.reassemble(x, kernels, { scale: SCALE, kUp: 1, groups: 1 }, 'zero', 'NHWC'),
  );
}

function bilinear(ops: Ops, x: DeviceTensor): DeviceTensor {
  const [, h, w] = x.shape;
  return ops.resize(x, h * SCALE, w * SCALE, 'bilinear', -0.5);
}

/** x * sigmoid(conv(x)), one weight for all channels of a pixel: a reassembly of the pixel alone, with that for its kernel. */
function attended(ops: Ops, x: DeviceTensor, conv: DeviceConv): DeviceTensor {
  const pixel = { scale: 1, kUp: 1, groups: 1 };
  const weights = consume(ops, ops.conv2d(x, conv, PLAIN), (logits) => ops.normalizeKernels(logits, pixel, 'sigmoid'));
  return consume(ops, weights, (kernels) => ops.reassemble(x, kernels, pixel, 'zero', 'NHWC'));
}

/**
 * ConvTranspose2d of stride 2, kernel k, padding floor((k - 1) / 2) and the output padding that gives twice the size: as a
 * convolution of the small map whose channels are the four pixels of each, and a pixel shuffle.
 */
export function loadDeconv(weights: StateDict, name: string, c: number): Upsampler & { readonly cOut: number } {
  const [cIn, cOut, k, kx] = weights.shape(`${name}.weight`);
  const padding = Math.floor((k - 1) / 2);
  if (cIn !== c || k !== kx || k < SCALE || k > SCALE + 2 * padding)
    throw expected('ModelInvalid', `${name}.weight`, `shape [${c}, channels, k, k], k at least 2`, [cIn, cOut, k, kx]);
  const given = weights.values(`${name}.weight`, [cIn, cOut, k, k]);
  const bias = weights.has(`${name}.bias`) ? weights.values(`${name}.bias`, [cOut]) : new Float32Array(cOut);
  /** Tap t of an output's window of small pixels reaches pixel `shift` from its own, for the sub-pixels it meets. */
  const taps = Array.from({ length: SCALE * k }, (_, i) => ({ sub: i % SCALE, t: Math.floor(i / SCALE) }))
    .filter(({ sub, t }) => (sub + padding - t) % SCALE === 0)
    .map(({ sub, t }) => ({ sub, t, shift: (sub + padding - t) / SCALE }));
  const r = Math.max(...taps.map(({ shift }) => Math.abs(shift)));
  const side = 2 * r + 1;
  const packed = new Float32Array(cOut * SCALE ** 2 * cIn * side * side);
  for (let co = 0; co < cOut; co++)
    for (let ci = 0; ci < cIn; ci++)
      for (const y of taps)
        for (const x of taps)
          packed[
            (((co * SCALE + y.sub) * SCALE + x.sub) * cIn + ci) * side * side + (r + y.shift) * side + r + x.shift
          ] = given[((ci * cOut + co) * k + y.t) * k + x.t];
  const conv = weights.place({
    weights: packed,
    bias: Float32Array.from({ length: cOut * SCALE ** 2 }, (_, i) => bias[Math.floor(i / SCALE ** 2)]),
    cOut: cOut * SCALE ** 2,
    cIn,
    k: side,
  });
  const run: Upsampler = (ops, x) => consume(ops, ops.conv2d(x, conv, PLAIN), (rows) => ops.pixelShuffle(rows, SCALE));
  return Object.assign(run, { cOut });
}

/** GUM's guidance module: convolutions with ReLU between them (torch.nn.Sequential), the last to (x, y) offsets. */
function loadGuidance(weights: StateDict, name: string, c: number): (ops: Ops, big: DeviceTensor) => DeviceTensor {
  const convs: DeviceConv[] = [];
  for (let i = 0; i === 0 || weights.has(`${name}.${i}.weight`); i += 2)
    convs.push(weights.conv(`${name}.${i}`, { cIn: convs.at(-1)?.cOut ?? c }));
  const last = convs.at(-1)!;
  if (last.cOut !== 2)
    throw expected('ModelInvalid', `${name}.${2 * (convs.length - 1)}.weight`, '2 outputs', last.cOut);
  return (ops, big) =>
    convs.reduce(
      (x, conv) =>
        consume(ops, x, (h) => ops.conv2d(h, conv, conv === last ? PLAIN : { ...PLAIN, activation: 'relu' })),
      big,
    );
}

/**
 * DySample (github.com/tiny-smart/dysample): offsets from the small map ('lp') or from its shuffled pixels ('pl'), by the
 * shape of the convolution; `scope`, if there, says how far each may reach.
 */
function loadDySample(weights: StateDict, name: string, c: number): Upsampler {
  const [outputs, cIn] = weights.shape(`${name}.offset.weight`);
  const subs = SCALE ** 2;
  const shuffled = cIn === c / subs; // 'pl'
  if (!shuffled && cIn !== c) throw expected('ModelInvalid', `${name}.offset.weight`, `${c} inputs`, cIn);
  const groups = outputs / (shuffled ? 2 : 2 * subs);
  if (!Number.isInteger(groups) || c % groups !== 0)
    throw expected('ModelInvalid', `${name}.offset.weight`, `two outputs for each of groups that divide ${c}`, outputs);
  const scoped = weights.has(`${name}.scope.weight`);
  const { weights: offset, bias, ...sizes } = weights.weights(`${name}.offset`, { k: 1 });
  const reach = scoped ? 0.5 : 0.25;
  const offsetConv = weights.place({
    ...sizes,
    weights: offset.map((v) => v * reach),
    bias: bias?.map((v) => v * reach),
  });
  const scope = scoped ? weights.conv(`${name}.scope`, { cIn, cOut: outputs, k: 1 }) : undefined;
  return (ops, x) => {
    const source = shuffled ? ops.pixelShuffle(x, SCALE) : x;
    let offsets = ops.conv2d(source, offsetConv, PLAIN);
    if (scope) {
      const each = { scale: 1, kUp: 1, groups: outputs };
      const share = consume(ops, ops.conv2d(source, scope, PLAIN), (logits) =>
        ops.normalizeKernels(logits, each, 'sigmoid'),
      );
      const whole = offsets;
      offsets = ops.arithmetic(whole, 'multiply', share);
      ops.free(whole, share);
    }
    if (source === x) offsets = consume(ops, offsets, (rows) => ops.pixelShuffle(rows, SCALE));
    else ops.free(source);
    return consume(ops, offsets, (given) => ops.gridSample(x, given, groups));
  };
}

/** What `use` makes of x, which nothing needs afterwards. */
export function consume(ops: Ops, x: DeviceTensor, use: (x: DeviceTensor) => DeviceTensor): DeviceTensor {
  const y = use(x);
  ops.free(x);
  return y;
}
