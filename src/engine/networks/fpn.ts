// FPN with CARAFE: mmdetection's FPN_CARAFE. 1x1 laterals, added from the top down to what is enlarged from the level
// above and cropped where sizes are odd; a 3x3 convolution of each sum; extra levels by 3x3 convolutions of stride 2.
//   merged[i] = lateral[i](input[i]) + upsample[i](merged[i+1]); out[i] = fpn[i](merged[i])
import { type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import { expected } from '../../core/errors.js';
import type { Shape } from '../../core/tensor.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';
import { loadUpsampler, type Upsampler } from './upsamplers.js';
import type { LoadedNetwork } from './loaded-network.js';

export interface FpnSettings {
  readonly upsampler: NetworkUpsampler;
  readonly order: 'conv-norm-act' | 'act-conv-norm';
  readonly activation: 'none' | 'relu';
  readonly startLevel: number;
}

interface Fpn extends FpnSettings {
  readonly laterals: readonly DeviceConv[];
  readonly convs: readonly DeviceConv[];
  readonly upsamplers: readonly Upsampler[];
  /** Laterals of inputs; those after them are extra levels. */
  readonly levels: number;
}

/** @throws {CarafeError} ModelInvalid */
export function loadFpn(weights: StateDict, settings: FpnSettings): LoadedNetwork {
  const count = weights.count((i) => `lateral_convs.${i}`);
  const convs = Array.from({ length: count }, (_, i) => weights.conv(`fpn_convs.${i}`));
  const laterals = convs.map((conv, i) => weights.conv(`lateral_convs.${i}`, { cOut: conv.cIn }));
  const levels = laterals.filter(({ k }) => k === 1).length;
  const extra = laterals.slice(levels);
  if (levels === 0 || extra.some(({ k }) => k !== 3))
    throw expected(
      'ModelInvalid',
      'lateral_convs',
      '1x1 convolutions, then 3x3 of extra levels',
      laterals.map(({ k }) => k),
    );
  const upsamplers = laterals
    .slice(1)
    .map((_, i) => loadUpsampler(weights, `upsample_modules.${i}`, settings.upsampler, convs[i].cIn));
  const net: Fpn = { ...settings, laterals, convs, upsamplers, levels };
  const inputs = Array.from({ length: settings.startLevel + levels }, (_, i) =>
    i < settings.startLevel ? undefined : laterals[i - settings.startLevel].cIn,
  );
  return {
    inputs,
    check: (shapes) => checkPyramid(shapes.slice(settings.startLevel), settings.startLevel),
    run: (ops, xs) => fpn(ops, net, xs),
  };
}

/** Feature maps, the finest first -> as many as there are laterals. */
function fpn(ops: Ops, net: Fpn, inputs: readonly DeviceTensor[]): DeviceTensor[] {
  const { laterals, convs, upsamplers, levels, startLevel } = net;
  const extras: DeviceTensor[] = [];
  for (let i = levels; i < laterals.length; i++)
    extras.push(strided(ops, net, extras.at(-1) ?? inputs.at(-1)!, laterals[i]));
  const outs: DeviceTensor[] = [];
  let above: DeviceTensor | undefined;
  for (let i = laterals.length - 1; i >= 0; i--) {
    const x = i < levels ? inputs[i + startLevel] : extras[i - levels];
    const [, h, w] = x.shape;
    const enlarged = above && cropped(ops, upsamplers[i](ops, above), h, w);
    if (above) ops.free(above);
    if (i < levels) above = convolve(ops, net, x, laterals[i], enlarged);
    else above = enlarged ? ops.arithmetic(x, 'add', enlarged) : x;
    if (enlarged) ops.free(enlarged);
    if (i >= levels && above !== x) ops.free(x);
    outs.unshift(convolve(ops, net, above, convs[i]));
  }
  if (above) ops.free(above);
  return outs;
}

/** mmcv's ConvModule, norm folded: act(conv(x)) or conv(act(x)), then + residual. */
function convolve(
  ops: Ops,
  { order, activation }: Fpn,
  x: DeviceTensor,
  conv: DeviceConv,
  residual?: DeviceTensor,
): DeviceTensor {
  if (order === 'conv-norm-act' || activation === 'none')
    return ops.conv2d(x, conv, { ...PLAIN, activation, residual });
  const active = ops.arithmetic(x, 'maximum', 0);
  const y = ops.conv2d(active, conv, { ...PLAIN, residual });
  ops.free(active);
  return y;
}

/** The same with stride 2: of every second pixel. */
function strided(ops: Ops, net: Fpn, x: DeviceTensor, conv: DeviceConv): DeviceTensor {
  const [, h, w] = x.shape;
  const all = convolve(ops, net, x, conv);
  const y = ops.slice(all, { x: 0, y: 0, width: Math.ceil(w / 2), height: Math.ceil(h / 2) }, 2);
  ops.free(all);
  return y;
}

/** The upper left h x w pixels; x is used up. */
export function cropped(ops: Ops, x: DeviceTensor, height: number, width: number): DeviceTensor {
  const [, h, w] = x.shape;
  if (h === height && w === width) return x;
  const y = ops.slice(x, { x: 0, y: 0, width, height }, 1);
  ops.free(x);
  return y;
}

/** Each map at most twice as large as the next. @throws {CarafeError} ShapeMismatch */
export function checkPyramid(shapes: readonly Shape[], first = 0): void {
  for (let i = 1; i < shapes.length; i++) {
    const [[n, h, w], [nAbove, hAbove, wAbove]] = [shapes[i - 1], shapes[i]];
    if (n !== nAbove || h > 2 * hAbove || w > 2 * wAbove)
      throw expected(
        'ShapeMismatch',
        `inputs[${first + i}]`,
        `${n} maps of at least ${Math.ceil(h / 2)}x${Math.ceil(w / 2)}, half the one before,`,
        `${nAbove} of ${hAbove}x${wAbove}`,
      );
  }
}
