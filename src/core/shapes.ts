// Output shapes of every op, all NHWC but for reassemble's NCHW. Arguments were checked where they came in
// (api/options.ts, the loaders of engine/networks), so a shape that does not fit here is a network that is put together
// wrongly: an Error, not one of the public API's.
import type { Shape } from './tensor.js';

export type Activation = 'none' | 'relu' | 'leaky-relu' | 'silu' | 'hardswish';
export const ACTIVATIONS: readonly Activation[] = ['none', 'relu', 'leaky-relu', 'silu', 'hardswish'];
export type Normalizer = 'softmax' | 'sigmoid' | 'sigmoid-normalized';
export type Padding = 'zero' | 'replicate' | 'reflect';
export type ResizeMode = 'bilinear' | 'bicubic';
export type Layout = 'NCHW' | 'NHWC';

/**
 * How a reassembly is laid out: kernels are rows [g][tap][sub-pixel] of groups * kUp^2 * scale^2 values per source
 * pixel.
 */
export interface Window {
  readonly scale: number;
  readonly kUp: number;
  readonly groups: number;
}

/** Values in one kernel row: groups * kUp^2 * scale^2. */
export function rowLength({ scale, kUp, groups }: Window): number {
  return groups * kUp * kUp * scale * scale;
}

interface Conv {
  readonly weights: { readonly shape: Shape };
  readonly ghost?: unknown;
}

/** Channels that a convolution (cOut, cIn, k, k) gives, both halves of a GhostConv counted. */
export function outputChannels({ weights, ghost }: Conv): number {
  return weights.shape[0] * (ghost ? 2 : 1);
}

/** Values of a CARAFE module's result for features of so many. */
export function moduleResultLength(
  length: number,
  { scale, compress, encode, out }: { scale: number; compress?: Conv; encode: Conv; out?: Conv },
): number {
  const c = (compress ?? encode).weights.shape[1];
  return (length / c) * (out ? outputChannels(out) : c) * scale ** 2;
}

/** x [n, h, w, cIn] -> [n, h, w, cOut] ('same' zero padding, stride 1). */
export function convShape(x: Shape, cIn: number, cOut: number): Shape {
  assertFits(x[3] === cIn, 'conv2d', x, [cIn, cOut]);
  return [x[0], x[1], x[2], cOut];
}

/** x [n, h, w, c*s*s] -> [n, h*s, w*s, c]. */
export function pixelShuffleShape(x: Shape, scale: number): Shape {
  assertFits(x[3] % (scale * scale) === 0, 'pixelShuffle', x, [scale]);
  return [x[0], x[1] * scale, x[2] * scale, x[3] / (scale * scale)];
}

/** x [n, h*s, w*s, c] -> [n, h, w, c*s*s]. */
export function pixelUnshuffleShape(x: Shape, scale: number): Shape {
  assertFits(x[1] % scale === 0 && x[2] % scale === 0, 'pixelUnshuffle', x, [scale]);
  return [x[0], x[1] / scale, x[2] / scale, x[3] * scale * scale];
}

/** features [n, h, w, c], rows [n, h, w, groups*kUp^2*s^2] -> [n, h*s, w*s, c], or [n, c, h*s, w*s] in layout NCHW. */
export function reassembleShape(features: Shape, rows: Shape, window: Window, layout: Layout): Shape {
  const [n, h, w, c] = features;
  const fits = rows[0] === n && rows[1] === h && rows[2] === w && rows[3] === rowLength(window);
  assertFits(fits && c % window.groups === 0, 'reassemble', features, rows, [window.groups]);
  return layout === 'NHWC' ? [n, h * window.scale, w * window.scale, c] : [n, c, h * window.scale, w * window.scale];
}

/**
 * maps [n, h, w, groups], rows as in reassembleShape (of the encoder, not stored), base [n, h*s, w*s, 1] -> the shape
 * of base.
 */
export function reassembleSumShape(maps: Shape, rows: Shape, base: Shape, window: Window): Shape {
  const out = reassembleShape(maps, rows, window, 'NHWC');
  const fits = base[0] === out[0] && base[1] === out[1] && base[2] === out[2] && base[3] === 1;
  assertFits(fits && maps[3] === window.groups, 'reassembleSum', maps, base, [window.groups]);
  return base;
}

/** Of an area of x, every `step` pixels. */
export function sliceShape(
  x: Shape,
  area: { x: number; y: number; width: number; height: number },
  step: number,
): Shape {
  const end = [area.y + (area.height - 1) * step, area.x + (area.width - 1) * step];
  assertFits(area.y >= 0 && area.x >= 0 && end[0] < x[1] && end[1] < x[2], 'slice', x, end);
  return [x[0], area.height, area.width, x[3]];
}

/** [n, h, w, c1], [n, h, w, c2], ... -> [n, h, w, c1 + c2 + ...]. */
export function concatShape(...xs: readonly Shape[]): Shape {
  const [n, h, w] = xs[0];
  assertFits(
    xs.every((x) => x[0] === n && x[1] === h && x[2] === w),
    'concat',
    ...xs,
  );
  return [n, h, w, xs.reduce((sum, x) => sum + x[3], 0)];
}

/** a [n, h, w, c] and b of the same shape or [n, h, w, 1] -> the shape of a. */
export function arithmeticShape(a: Shape, b: Shape): Shape {
  const fits = b[0] === a[0] && b[1] === a[1] && b[2] === a[2] && (b[3] === a[3] || b[3] === 1);
  assertFits(fits, 'arithmetic', a, b);
  return a;
}

/** x [n, h, w, c], offsets [n, H, W, 2 * groups] -> [n, H, W, c]. */
export function gridSampleShape(x: Shape, offsets: Shape, groups: number): Shape {
  const fits = x[0] === offsets[0] && offsets[3] === 2 * groups && x[3] % groups === 0;
  assertFits(fits, 'gridSample', x, offsets, [groups]);
  return [x[0], offsets[1], offsets[2], x[3]];
}

/** The window of output i of an adaptive pooling from `size` to `outSize`: from..to-1. */
export function poolWindow(i: number, size: number, outSize: number): [from: number, to: number] {
  return [Math.floor((i * size) / outSize), Math.ceil(((i + 1) * size) / outSize)];
}

/** The kernels read as many values as these shapes say: memory that is not theirs, if the shapes are wrong. */
function assertFits(fits: boolean, op: string, ...sizes: readonly (readonly number[])[]): void {
  if (!fits) throw new Error(`${op} of shapes that do not fit: ${JSON.stringify(sizes)}`);
}

/** small [n, h, w, 1] -> [n, h, w, 2]. */
export function meanGainsShape([n, h, w]: Shape): Shape {
  return [n, h, w, 2];
}
