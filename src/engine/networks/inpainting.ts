// The decoders of two inpainting U-Nets, as mmediting has them, their upsampler replaced (arXiv:1905.02188, section 4.4):
//   Global&Local (GLDecoder)      dec1..: convolutions with ReLU, of which two enlarge
//   Partial Conv (PConvDecoder)   decN..dec1: enlarged, beside the encoder's map, through a partial convolution; what is
//                                 known, the mask, goes the same way, with CARAFE through the predicted kernels
import { type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import { expected } from '../../core/errors.js';
import type { Shape } from '../../core/tensor.js';
import { type CarafeStages, predictKernels } from './carafe-pack.js';
import { checkPyramid, cropped } from './fpn.js';
import type { LoadedNetwork } from './loaded-network.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';
import { consume, loadDeconv, loadUpsampler, nearest, type Upsampler } from './upsamplers.js';

const PIXEL = { scale: 1, kUp: 1, groups: 1 }; // a reassembly of the pixel alone: a product with one value for each

export interface GlobalLocalSettings {
  readonly upsampler: NetworkUpsampler;
  /** The layers that enlarge: `dec3` and `dec5`. */
  readonly upsampled: readonly number[];
  readonly output: 'clip' | 'sigmoid';
}

/** @throws {CarafeError} ModelInvalid */
export function loadGlobalLocal(weights: StateDict, settings: GlobalLocalSettings): LoadedNetwork {
  const { upsampler: kind, upsampled, output } = settings;
  const count = weights.count((i) => `dec${i}`, 1);
  let c = weights.shape('dec1.conv.weight')[1];
  const inputs = [c];
  const steps = Array.from({ length: count }, (_, i) => {
    const name = `dec${i + 1}`;
    const activation = i === count - 1 ? ('none' as const) : ('relu' as const);
    if (upsampled.includes(i + 1) && kind === 'deconv') {
      if (weights.has(`${name}.bn.weight`))
        throw expected('ModelInvalid', `${name}.bn`, 'no norm of a deconvolution', 'one');
      const deconv = loadDeconv(weights, `${name}.conv`, c);
      c = deconv.cOut;
      return (ops: Ops, x: DeviceTensor) => consume(ops, deconv(ops, x), (y) => ops.arithmetic(y, 'maximum', 0));
    }
    const enlarge = upsampled.includes(i + 1) ? loadUpsampler(weights, `${name}.upsample`, kind, c) : undefined;
    const conv = weights.conv(name, { cIn: c });
    c = conv.cOut;
    return (ops: Ops, x: DeviceTensor) => {
      if (!enlarge) return ops.conv2d(x, conv, { ...PLAIN, activation });
      return consume(ops, enlarge(ops, x), (y) => ops.conv2d(y, conv, { ...PLAIN, activation }));
    };
  });
  return {
    inputs,
    check() {},
    /** The encoder's features [n, h, w, c] -> the image [n, 4h, 4w, 3], in -1..1, or with 'sigmoid' in 0..1. */
    run(ops, [x]) {
      const y = steps.reduce((h, step) => (h === x ? step(ops, h) : consume(ops, h, (z) => step(ops, z))), x);
      if (output === 'sigmoid')
        return [consume(ops, y, (z) => ops.normalizeKernels(z, { ...PIXEL, groups: c }, 'sigmoid'))];
      const least = consume(ops, y, (z) => ops.arithmetic(z, 'maximum', -1));
      return [consume(ops, least, (z) => ops.arithmetic(z, 'minimum', 1))];
    },
  };
}

export interface PartialConvSettings {
  /** Of the maps. Masks go through CARAFE's kernels, else through 'nearest'. */
  readonly upsampler: NetworkUpsampler;
  /** Channels of the deepest map; undefined: those of its CARAFE layer, or half of what the first layer reads. */
  readonly deepest?: number;
  /** Of leaky ReLU, after every layer but the last. */
  readonly slope: number;
}

interface PartialConv {
  /** The sums of products alone; and what the bias adds: times the new mask, and by itself (of batch norm). */
  readonly sums: DeviceConv;
  readonly biases: DeviceConv;
  /** Of the two masks, each counted for the channels that it is of. */
  readonly counts: DeviceConv;
  readonly window: number; // values that a sum is of
  readonly biased: boolean; // then the sum is times the new mask once more
  readonly upsampler: Upsampler | CarafeStages;
  readonly slope: number;
}

const EPS = 1e-8; // of mmediting's PartialConv2d

/**
 * Inputs: the encoder's maps h0 (the image) .. hN, then their masks [n, h, w, 1] of what is known. Outputs: the image,
 * and its mask. @throws {CarafeError} ModelInvalid
 */
export function loadPartialConv(weights: StateDict, { upsampler, slope, deepest }: PartialConvSettings): LoadedNetwork {
  const count = weights.count((i) => `dec${i}`, 1);
  const layers: PartialConv[] = []; // dec1 first
  const inputs: number[] = []; // h0 first
  for (let i = count; i >= 1; i--) {
    const [, cIn] = weights.shape(`dec${i}.conv.weight`);
    const channels =
      i === count ? (deepest ?? wideOf(weights, cIn, count)) : weights.shape(`dec${i + 1}.conv.weight`)[0];
    if (i === count) inputs[count] = channels;
    inputs[i - 1] = cIn - channels;
    if (inputs[i - 1] <= 0) throw expected('ModelInvalid', `dec${i}.conv.weight`, `more than ${channels} inputs`, cIn);
    layers[i - 1] = loadPartialLayer(weights, `dec${i}`, channels, inputs[i - 1], upsampler, i === 1 ? 1 : slope);
  }
  return {
    inputs: [...inputs, ...inputs.map(() => 1)],
    check: (shapes) => checkMasks(shapes, count + 1),
    run(ops, xs) {
      const [maps, masks] = [xs.slice(0, count + 1), xs.slice(count + 1)];
      let [x, mask] = [maps[count], masks[count]];
      for (let i = count; i >= 1; i--) {
        const next = partialLayer(ops, layers[i - 1], x, mask, maps[i - 1], masks[i - 1]);
        if (i < count) ops.free(x, mask);
        [x, mask] = next;
      }
      return [x, mask];
    },
  };
}

/** Channels of the deepest map: the CARAFE layer's, or half of what the first layer reads. */
function wideOf(weights: StateDict, cIn: number, layer: number): number {
  const compressor = `dec${layer}.upsample.channel_compressor.weight`;
  return weights.has(compressor) ? weights.shape(compressor)[1] : cIn / 2;
}

function loadPartialLayer(
  weights: StateDict,
  name: string,
  channels: number,
  skipped: number,
  upsampler: PartialConvSettings['upsampler'],
  slope: number,
): PartialConv {
  const { cOut, cIn, k, weights: scaled, bias: folded } = weights.weights(name, { cIn: channels + skipped });
  // (sum * ratio + bias) * mask, then batch norm: its factor is in the weights, and what it adds is no part of the mask.
  const biased = weights.has(`${name}.conv.bias`);
  const factors = weights.factors(name, cOut);
  const times = biased
    ? weights.values(`${name}.conv.bias`, [cOut]).map((b, i) => b * factors[i])
    : new Float32Array(cOut);
  const counts = new Float32Array(2 * k * k).map((_, i) => (i < k * k ? channels : skipped));
  const layer = upsampler === 'carafe' && weights.carafe(`${name}.upsample`, channels);
  if (layer && layer.groups > 1)
    throw expected('ModelInvalid', `${name}.upsample`, 'one group, since there is one mask,', layer.groups);
  return {
    sums: weights.place({ weights: scaled, cOut, cIn, k }),
    biases: weights.place({ weights: times, bias: folded!.map((b, i) => b - times[i]), cOut, cIn: 1, k: 1 }),
    counts: weights.place({ weights: counts, cOut: 1, cIn: 2, k }),
    window: cIn * k * k,
    biased,
    upsampler: layer || loadUpsampler(weights, `${name}.upsample`, upsampler, channels),
    slope,
  };
}

function partialLayer(
  ops: Ops,
  layer: PartialConv,
  x: DeviceTensor,
  mask: DeviceTensor,
  skip: DeviceTensor,
  skipMask: DeviceTensor,
): [DeviceTensor, DeviceTensor] {
  const [, h, w] = skip.shape;
  const [bigX, bigMask] = enlargeBoth(ops, layer.upsampler, x, mask).map((y) => cropped(ops, y, h, w));
  const known = [bigX, skip].map((y, i) => ops.reassemble(y, i === 0 ? bigMask : skipMask, PIXEL, 'zero', 'NHWC'));
  const both = ops.concat(...known);
  ops.free(...known, bigX);
  const sums = consume(ops, both, (y) => ops.conv2d(y, layer.sums, PLAIN));
  const masks = ops.concat(bigMask, skipMask);
  ops.free(bigMask);
  const count = consume(ops, masks, (y) => ops.conv2d(y, layer.counts, PLAIN));
  // ratio = window / (count + eps), where anything is known; the new mask is count clamped to 0..1.
  const positive = ops.arithmetic(count, 'maximum', 0);
  const updated = consume(ops, positive, (y) => ops.arithmetic(y, 'minimum', 1));
  const divisor = consume(ops, count, (y) => ops.arithmetic(y, 'add', EPS));
  const share = consume(ops, divisor, (y) => ops.arithmetic(updated, 'divide', y));
  const whole = consume(ops, share, (y) => ops.arithmetic(y, 'multiply', layer.window));
  const ratio = layer.biased ? consume(ops, whole, (y) => ops.arithmetic(y, 'multiply', updated)) : whole;
  const scaled = ops.reassemble(sums, ratio, PIXEL, 'zero', 'NHWC');
  ops.free(sums, ratio);
  const y = consume(ops, scaled, (residual) => ops.conv2d(updated, layer.biases, { ...PLAIN, residual }));
  if (layer.slope === 1) return [y, updated];
  const low = ops.arithmetic(y, 'multiply', layer.slope);
  const active = ops.arithmetic(y, 'maximum', low);
  ops.free(y, low);
  return [active, updated];
}

/** The map and its mask twice as large: with CARAFE both by the kernels that the map predicts. */
function enlargeBoth(
  ops: Ops,
  upsampler: Upsampler | CarafeStages,
  x: DeviceTensor,
  mask: DeviceTensor,
): [DeviceTensor, DeviceTensor] {
  if (typeof upsampler === 'function') return [upsampler(ops, x), nearest(ops, mask)];
  const kernels = predictKernels(ops, upsampler, x);
  const both = [x, mask].map((y) => ops.reassemble(y, kernels, upsampler, 'zero', 'NHWC'));
  ops.free(kernels);
  return both as [DeviceTensor, DeviceTensor];
}

function checkMasks(shapes: readonly Shape[], count: number): void {
  checkPyramid(shapes.slice(0, count));
  for (let i = 0; i < count; i++) {
    const [map, mask] = [shapes[i], shapes[count + i]];
    if (map.slice(0, 3).join() !== mask.slice(0, 3).join())
      throw expected('ShapeMismatch', `inputs[${count + i}]`, `a mask of the size of inputs[${i}]`, mask);
  }
}
