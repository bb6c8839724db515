// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// weights are packed as gemm.ts says, with K = [kx][ky][ci]. Reference: src/backends/reference/conv2d.ts
// Schedule: implicit GEMM on a line. For each output row the k input rows are interleaved to [column][ky][ci] (columns of the same
// phase together if dilated), so that a pixel's whole window is one run of floats, and its neighbour's begins k*cIn further. For 3x3
// windows of many channels winograd.ts takes 2.3 times less.
import { gemm } from './gemm';
import { sigmoid, storeLanes } from './simd';

/**
 * One image, y = v >= 0 ? v : v * slope, + residual unless 0. `line` is scratch for (w + 2p + 5 d) * k * cIn floats, p = r*dilation (unused
 * for k = 1), `spare` that of gemm; both and x need 4 * cIn readable floats after their end.
 */
export function conv2d(
  x: usize, weights: usize, bias: usize, residual: usize, y: usize, line: usize, spare: usize,
  h: i32, w: i32, cIn: i32, cOut: i32, k: i32, dilation: i32, slope: f32,
): void {
  const pixelBytes: usize = <usize>cOut << 2;
  if (k == 1) { // every pixel is alike, so one long row
    gemm(x, weights, bias, residual, y, spare, h * w, cIn, cOut, <usize>cIn << 2, pixelBytes, slope);
    return;
  }
  for (let oy = 0; oy < h; oy++) {
    for (let phase = 0; phase < min(dilation, w); phase++) {
      const pixels = (w - phase + dilation - 1) / dilation;
      interleave(x, line, h, w, cIn, k, dilation, oy, phase, pixels + k - 1);
      const offset = pixelBytes * <usize>(oy * w + phase);
      gemm(line, weights, bias, residual ? residual + offset : 0, y + offset, spare, pixels, k * k * cIn, cOut, <usize>(k * cIn) << 2, pixelBytes * dilation, slope);
    }
  }
}

/** silu or hardswish, then + residual unless 0, in place: `size` floats. They do not fit beside a tile's accumulators. */
export function activate(y: usize, residual: usize, size: i32, silu: bool): void {
  for (let i = 0; i < size; i += 4) {
    let v = v128.load(y);
    v = silu ? f32x4.mul(v, sigmoid(v)) : hardswish(v);
    if (residual) {
      v = f32x4.add(v, v128.load(residual));
      residual += 16;
    }
    storeLanes(y, v, size - i);
    y += 16;
  }
}

/** The columns phase - p, phase - p + d, ... of the k rows around oy, zeros outside x -> line [column][ky][cIn]. */
function interleave(x: usize, line: usize, h: i32, w: i32, cIn: i32, k: i32, dilation: i32, oy: i32, phase: i32, columns: i32): void {
  const r = (k - 1) >> 1;
  const bytes: usize = <usize>cIn << 2;
  const columnBytes = bytes * k;
  const before = min(columns, max(0, (r * dilation - phase + dilation - 1) / dilation)); // columns left of x
  const inside = min(columns - before, max(0, (w - 1 - (phase + (before - r) * dilation)) / dilation + 1));
  for (let ky = 0; ky < k; ky++) {
    const iy = oy + (ky - r) * dilation;
    const to = line + bytes * ky;
    if (iy < 0 || iy >= h) {
      zero(to, bytes, columnBytes, columns);
      continue;
    }
    zero(to, bytes, columnBytes, before);
    copy(x + bytes * (iy * w + phase + (before - r) * dilation), to + columnBytes * before, bytes, bytes * dilation, columnBytes, inside);
    zero(to + columnBytes * (before + inside), bytes, columnBytes, columns - before - inside);
  }
}

function zero(to: usize, bytes: usize, step: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    for (let b: usize = 0; b < bytes; b += 4) f32.store(to + b, 0);
    to += step;
  }
}

function copy(from: usize, to: usize, bytes: usize, fromStep: usize, toStep: usize, count: i32): void {
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
  return f32x4.mul(f32x4.mul(v, f32x4.splat(1.0 / 6.0)), f32x4.min(f32x4.max(f32x4.add(v, f32x4.splat(3)), zero), f32x4.splat(6)));
}
