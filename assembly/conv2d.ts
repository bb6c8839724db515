// conv2d: y[n, oy, ox, co] =
//   act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// weights are packed as gemm.ts says, with K = [kx][ky][ci]. Reference: src/backends/reference/conv2d.ts
// Schedule: implicit GEMM on a line. For each output row the k input rows are interleaved to [column][ky][ci] (columns
// of the same phase together if dilated), so that a pixel's whole window is one run of floats, and its neighbour's
// begins k*cIn further. For 3x3 windows of many channels winograd.ts takes 2.3 times less. Zeros around x are the rows'
// margins (backends/wasm/rows.ts).
import { HARDSWISH, SILU, TILE_PIXELS } from '../src/backends/wasm/constants';
import { gemm, GEMM_SCRATCH } from './gemm';
import { sigmoid, storeLanes } from './simd';

/** Bytes of scratch for rows of `pixels` pixels: gemm's, then the line. */
export function conv2dScratch(pixels: i32, cIn: i32, k: i32, dilation: i32): usize {
  if (k == 1) return GEMM_SCRATCH;
  return GEMM_SCRATCH + (<usize>((pixels + (k - 1 + TILE_PIXELS) * dilation) * k * cIn) << 2);
}

/**
 * `pixels` pixels of one row, y = v >= 0 ? v : v * slope, + residual unless 0. `rows` holds k addresses: of each input
 * row (of zeros outside x), r*dilation pixels left of the first output. The rows need 4 * cIn readable floats after
 * their end.
 */
export function conv2d(
  rows: usize, weights: usize, bias: usize, residual: usize, y: usize, scratch: usize,
  pixels: i32, cIn: i32, cOut: i32, k: i32, dilation: i32, slope: f32,
): void {
  const pixelBytes: usize = <usize>cOut << 2;
  if (k == 1) {
    gemm(load<usize>(rows), weights, bias, residual, y, scratch, pixels, cIn, cOut, <usize>cIn << 2, pixelBytes, slope);
    return;
  }
  const line = scratch + GEMM_SCRATCH;
  for (let phase = 0; phase < min(dilation, pixels); phase++) {
    const count = (pixels - phase + dilation - 1) / dilation;
    interleave(rows, line, cIn, k, dilation, phase, count + k - 1);
    const offset = pixelBytes * <usize>phase;
    gemm(
      line, weights, bias, residual ? residual + offset : 0, y + offset, scratch, count, k * k * cIn, cOut,
      <usize>(k * cIn) << 2, pixelBytes * dilation, slope,
    );
  }
}

/**
 * silu, hardswish or, with ANY_SLOPE, v >= 0 ? v : v * slope, then + residual unless 0, in place: `size` floats. They
 * do not fit beside a tile's accumulators.
 */
export function activate(y: usize, residual: usize, size: i32, curve: i32, slope: f32): void {
  for (let i = 0; i < size; i += 4) {
    let v = v128.load(y);
    if (curve == SILU) v = f32x4.mul(v, sigmoid(v));
    else if (curve == HARDSWISH) v = hardswish(v);
    else v = v128.bitselect(v, f32x4.mul(v, f32x4.splat(slope)), f32x4.ge(v, f32x4.splat(0)));
    if (residual) {
      v = f32x4.add(v, v128.load(residual));
      residual += 16;
    }
    storeLanes(y, v, size - i);
    y += 16;
  }
}

/** Every dilation-th column of the k rows, from `phase` on -> line [column][ky][cIn]. */
function interleave(rows: usize, line: usize, cIn: i32, k: i32, dilation: i32, phase: i32, columns: i32): void {
  const bytes: usize = <usize>cIn << 2;
  for (let ky = 0; ky < k; ky++) {
    const row = load<usize>(rows + (<usize>ky << 2)) + bytes * phase;
    if (cIn == 1) copyFloats(row, line + (<usize>ky << 2), <usize>dilation << 2, <usize>k << 2, columns);
    else copy(row, line + bytes * ky, bytes, bytes * dilation, bytes * k, columns);
  }
}

function copyFloats(from: usize, to: usize, fromStep: usize, toStep: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    f32.store(to, f32.load(from));
    from += fromStep;
    to += toStep;
  }
}

/** `count` times `bytes`, a multiple of 4. */
export function copy(from: usize, to: usize, bytes: usize, fromStep: usize, toStep: usize, count: i32): void {
  const vectors = bytes & ~15;
  for (let i = 0; i < count; i++) {
    let b: usize = 0;
    for (; b < vectors; b += 16) v128.store(to + b, v128.load(from + b));
    for (; b < bytes; b += 4) f32.store(to + b, f32.load(from + b));
    from += fromStep;
    to += toStep;
  }
}

// @ts-ignore: decorator
@inline
function hardswish(v: v128): v128 {
  const zero = f32x4.splat(0);
  return f32x4.mul(
    f32x4.mul(v, f32x4.splat(1.0 / 6.0)), f32x4.min(f32x4.max(f32x4.add(v, f32x4.splat(3)), zero), f32x4.splat(6)),
  );
}
