// UperNet with CARAFE: mmsegmentation's UPerHead, in three places of which the paper puts CARAFE (arXiv:1905.02188, table
// 6), each bilinear by default there:
//   PPM   each pooled branch to half the size of the coarsest map, bilinear, then enlarged twice
//   FPN   each level added to the next finer one
//   FUSE  the coarsest level enlarged and put beside the next finer one, and so on, instead of all to the finest
import { type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import { expected } from '../../core/errors.js';
import { checkPyramid, cropped } from './fpn.js';
import type { LoadedNetwork } from './loaded-network.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';
import { consume, loadUpsampler, type Upsampler } from './upsamplers.js';

export type UperNetPlace = 'ppm' | 'fpn' | 'fuse';

export interface UperNetSettings {
  readonly upsampler: NetworkUpsampler;
  /** Where the upsampler is; elsewhere bilinear to the size wanted. */
  readonly places: readonly UperNetPlace[];
  readonly poolScales: readonly number[];
}

interface UperNet {
  readonly poolScales: readonly number[];
  readonly pooled: readonly DeviceConv[];
  readonly bottleneck: DeviceConv;
  readonly laterals: readonly DeviceConv[];
  readonly convs: readonly DeviceConv[];
  readonly fusion: DeviceConv;
  readonly classify?: DeviceConv;
  readonly upsamplers: Readonly<Record<UperNetPlace, readonly Upsampler[] | undefined>>;
}

/** @throws {CarafeError} ModelInvalid */
export function loadUperNet(weights: StateDict, { upsampler, places, poolScales }: UperNetSettings): LoadedNetwork {
  const pooled = poolScales.map((_, i) => weights.conv(`psp_modules.${i}.1`, { k: 1 }));
  const branches = weights.count((i) => `psp_modules.${i}`);
  if (branches !== poolScales.length)
    throw expected('ModelInvalid', 'psp_modules', `${poolScales.length}, one for each of poolScales,`, branches);
  const { cIn, cOut: c } = pooled[0];
  const bottleneck = weights.conv('bottleneck', { cIn: cIn + poolScales.length * c, cOut: c });
  const laterals = Array.from({ length: weights.count((i) => `lateral_convs.${i}`) }, (_, i) =>
    weights.conv(`lateral_convs.${i}`, { cOut: c, k: 1 }),
  );
  const convs = laterals.map((_, i) => weights.conv(`fpn_convs.${i}`, { cIn: c, cOut: c }));
  const fusion = weights.conv('fpn_bottleneck', { cIn: (laterals.length + 1) * c });
  const classify = weights.has('conv_seg.weight') ? weights.conv('conv_seg', { cIn: fusion.cOut, k: 1 }) : undefined;
  const upsamplersOf = (
    place: UperNetPlace,
    count: number,
    channels: (i: number) => number,
  ): Upsampler[] | undefined =>
    places.includes(place)
      ? Array.from({ length: count }, (_, i) =>
          loadUpsampler(weights, `${place}_upsample_modules.${i}`, upsampler, channels(i)),
        )
      : undefined;
  const net: UperNet = {
    poolScales,
    pooled,
    bottleneck,
    laterals,
    convs,
    fusion,
    ...(classify && { classify }),
    upsamplers: {
      ppm: upsamplersOf('ppm', poolScales.length, () => c),
      fpn: upsamplersOf('fpn', laterals.length, () => c),
      fuse: upsamplersOf('fuse', laterals.length, (i) => (laterals.length - i) * c), // of level i + 1 and all above it
    },
  };
  return {
    inputs: [...laterals.map((conv) => conv.cIn), cIn],
    check: checkPyramid,
    run: (ops, xs) => [upernet(ops, net, xs)],
  };
}

const RELU = { ...PLAIN, activation: 'relu' } as const;

/** Feature maps, the finest first -> logits of each class, or features where there is no classifier, of the finest's size. */
function upernet(ops: Ops, net: UperNet, inputs: readonly DeviceTensor[]): DeviceTensor {
  const { laterals, convs, upsamplers } = net;
  const top = laterals.length;
  const levels: DeviceTensor[] = [];
  levels[top] = pyramidPooling(ops, net, inputs[top]);
  let above = levels[top];
  for (let i = top - 1; i >= 0; i--) {
    const [, h, w] = inputs[i].shape;
    const enlarged = enlarge(ops, upsamplers.fpn?.[i], above, h, w);
    const merged = ops.conv2d(inputs[i], laterals[i], { ...RELU, residual: enlarged });
    ops.free(enlarged);
    if (i < top - 1) ops.free(above);
    levels[i] = ops.conv2d(merged, convs[i], RELU);
    above = merged;
  }
  if (top > 0) ops.free(above);
  const fused = consume(ops, fuse(ops, net, levels), (x) => ops.conv2d(x, net.fusion, RELU));
  return net.classify ? consume(ops, fused, (x) => ops.conv2d(x, net.classify!, PLAIN)) : fused;
}

function pyramidPooling(ops: Ops, net: UperNet, x: DeviceTensor): DeviceTensor {
  const [, h, w] = x.shape;
  const branches = net.poolScales.map((scale, i) => {
    const pooled = consume(ops, ops.averagePool(x, scale, scale), (y) => ops.conv2d(y, net.pooled[i], RELU));
    const upsampler = net.upsamplers.ppm?.[i];
    if (!upsampler) return consume(ops, pooled, (y) => ops.resize(y, h, w, 'bilinear', -0.5));
    const half = consume(ops, pooled, (y) => ops.resize(y, Math.ceil(h / 2), Math.ceil(w / 2), 'bilinear', -0.5));
    return consume(ops, half, (y) => enlarge(ops, upsampler, y, h, w));
  });
  const all = ops.concat(x, ...branches);
  ops.free(...branches);
  return consume(ops, all, (y) => ops.conv2d(y, net.bottleneck, RELU));
}

/** The levels beside each other, the finest first, in its size; they are used up. */
function fuse(ops: Ops, { upsamplers }: UperNet, levels: readonly DeviceTensor[]): DeviceTensor {
  const [, height, width] = levels[0].shape;
  if (!upsamplers.fuse) {
    const all = levels.map((x, i) =>
      i === 0 ? x : consume(ops, x, (y) => ops.resize(y, height, width, 'bilinear', -0.5)),
    );
    const y = ops.concat(...all);
    ops.free(...all);
    return y;
  }
  let above = levels.at(-1)!;
  for (let i = levels.length - 2; i >= 0; i--) {
    const [, h, w] = levels[i].shape;
    const big = consume(ops, above, (x) => enlarge(ops, upsamplers.fuse![i], x, h, w));
    above = ops.concat(levels[i], big);
    ops.free(levels[i], big);
  }
  return above;
}

/** To height x width; x is still there. */
function enlarge(ops: Ops, upsampler: Upsampler | undefined, x: DeviceTensor, height: number, width: number) {
  if (!upsampler) return ops.resize(x, height, width, 'bilinear', -0.5);
  return cropped(ops, upsampler(ops, x), height, width);
}
