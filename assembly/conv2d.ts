// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// weights are packed in blocks of 8 output channels (4 in the last block if no more are left): [block][ky][kx][ci][8 or 4];
// bias is padded likewise. Reference: src/backends/reference/conv2d.ts
// Schedule: implicit GEMM; a tile is 5 pixels x 2 vectors of 4 output channels (10 accumulators + 2 weights + 1 splat: 13 of the
// 15 registers V8 has; 5x2 is the tile that is fast in every V8, 50-54 GF/s of 58; wider ones spill). One flat loop over the
// contiguous part of K, (kx, ci) for dilation 1: nested or unrolled loops spill. Rows are cut into segments whose accumulators
// stay in L1. The last tile of a segment computes pixels that are not kept, so every pixel goes through the same operations.
import { madd, sigmoid, storeLanes } from './simd';

const PIXELS = 5; // per tile
const SEGMENT = 160; // pixels whose accumulators are live, a multiple of PIXELS: 160 * 8 channels * 4 bytes = 5 kB

/**
 * One image. `padded` is scratch for [h + 2p][w + 2p][cIn] with p = r*dilation (unused for k = 1), `accumulators` for SEGMENT * 8
 * floats; both and x need 4 * cIn readable floats after their end. residual = 0: none. Activations: Activation in wasm-backend.ts.
 */
export function conv2d(
  x: usize, weights: usize, bias: usize, residual: usize, y: usize, padded: usize, accumulators: usize,
  h: i32, w: i32, cIn: i32, cOut: i32, k: i32, dilation: i32, activation: i32, slope: f32,
): void {
  const pad = ((k - 1) >> 1) * dilation;
  if (pad == 0) { // 1x1: every pixel is alike, so one long row
    w *= h;
    h = 1;
    padded = x;
  } else {
    padZero(x, padded, h, w, cIn, pad);
  }
  const pixelBytes: usize = <usize>cIn << 2;
  const rowBytes = pixelBytes * (w + 2 * pad);
  for (let oy = 0; oy < h; oy++) {
    for (let first = 0; first < w; first += SEGMENT) {
      const pixels = min(SEGMENT, w - first);
      const source = padded + rowBytes * oy + pixelBytes * first;
      const target: usize = (<usize>oy * w + first) * cOut;
      let packed = weights;
      for (let co = 0; co < cOut; co += 8) {
        const channels = min(8, cOut - co);
        const vectors = channels > 4 ? 2 : 1;
        fill(accumulators, bias + (<usize>co << 2), pixels, vectors);
        for (let pixel = 0; pixel < pixels; pixel += PIXELS) {
          accumulate(source + pixelBytes * pixel, packed, accumulators + ((<usize>pixel * vectors) << 4), pixelBytes, rowBytes, k, dilation, vectors);
        }
        finish(accumulators, y + ((target + co) << 2), residual ? residual + ((target + co) << 2) : 0, pixels, channels, cOut, activation, slope);
        packed += <usize>(k * k * cIn * vectors) << 4;
      }
    }
  }
}

/** x [h][w][c] -> padded [h + 2p][w + 2p][c]. */
function padZero(x: usize, padded: usize, h: i32, w: i32, c: i32, pad: i32): void {
  const side: usize = (<usize>pad * c) << 2;
  const row: usize = (<usize>w * c) << 2;
  const border = (row + 2 * side) * pad;
  memory.fill(padded, 0, border);
  padded += border;
  for (let y = 0; y < h; y++) {
    memory.fill(padded, 0, side);
    memory.copy(padded + side, x, row);
    memory.fill(padded + side + row, 0, side);
    padded += row + 2 * side;
    x += row;
  }
  memory.fill(padded, 0, border);
}

/** Every pixel of the segment, and the ones its last tile computes for nothing, start at the bias. */
function fill(accumulators: usize, bias: usize, pixels: i32, vectors: i32): void {
  const b0 = v128.load(bias);
  const b1 = v128.load(bias + ((vectors - 1) << 4));
  const end = accumulators + ((<usize>((pixels + PIXELS - 1) / PIXELS * PIXELS) * vectors) << 4);
  for (; accumulators < end; accumulators += <usize>vectors << 4) {
    v128.store(accumulators, b0);
    v128.store(accumulators + ((vectors - 1) << 4), b1);
  }
}

/** One tile, over all of K: the runs of K that are contiguous in memory, one after another. */
function accumulate(source: usize, packed: usize, accumulators: usize, pixelBytes: usize, rowBytes: usize, k: i32, dilation: i32, vectors: i32): void {
  const columns = dilation == 1 ? 1 : k;
  const run: i32 = <i32>(pixelBytes >> 2) * (dilation == 1 ? k : 1);
  const runBytes: usize = (<usize>run * vectors) << 4;
  for (let ky = 0; ky < k; ky++) {
    for (let kx = 0; kx < columns; kx++) {
      const a = source + rowBytes * (ky * dilation) + pixelBytes * (kx * dilation);
      if (vectors == 2) tile5x2(a, packed, accumulators, pixelBytes, run);
      else tile5x1(a, packed, accumulators, pixelBytes, run);
      packed += runBytes;
    }
  }
}

function tile5x2(a0: usize, b: usize, acc: usize, stride: usize, run: i32): void {
  const a1 = stride, a2 = stride * 2, a3 = stride * 3, a4 = stride * 4;
  let s00 = v128.load(acc, 0), s01 = v128.load(acc, 16);
  let s10 = v128.load(acc, 32), s11 = v128.load(acc, 48);
  let s20 = v128.load(acc, 64), s21 = v128.load(acc, 80);
  let s30 = v128.load(acc, 96), s31 = v128.load(acc, 112);
  let s40 = v128.load(acc, 128), s41 = v128.load(acc, 144);
  for (let end = b + (<usize>run << 5); b < end; b += 32) {
    const w0 = v128.load(b, 0), w1 = v128.load(b, 16);
    let v = v128.load32_splat(a0);
    s00 = madd(v, w0, s00);
    s01 = madd(v, w1, s01);
    v = v128.load32_splat(a0 + a1);
    s10 = madd(v, w0, s10);
    s11 = madd(v, w1, s11);
    v = v128.load32_splat(a0 + a2);
    s20 = madd(v, w0, s20);
    s21 = madd(v, w1, s21);
    v = v128.load32_splat(a0 + a3);
    s30 = madd(v, w0, s30);
    s31 = madd(v, w1, s31);
    v = v128.load32_splat(a0 + a4);
    s40 = madd(v, w0, s40);
    s41 = madd(v, w1, s41);
    a0 += 4;
  }
  v128.store(acc, s00, 0); v128.store(acc, s01, 16);
  v128.store(acc, s10, 32); v128.store(acc, s11, 48);
  v128.store(acc, s20, 64); v128.store(acc, s21, 80);
  v128.store(acc, s30, 96); v128.store(acc, s31, 112);
  v128.store(acc, s40, 128); v128.store(acc, s41, 144);
}

function tile5x1(a0: usize, b: usize, acc: usize, stride: usize, run: i32): void {
  const a1 = stride, a2 = stride * 2, a3 = stride * 3, a4 = stride * 4;
  let s0 = v128.load(acc, 0);
  let s1 = v128.load(acc, 16);
  let s2 = v128.load(acc, 32);
  let s3 = v128.load(acc, 48);
  let s4 = v128.load(acc, 64);
  for (let end = b + (<usize>run << 4); b < end; b += 16) {
    const w = v128.load(b);
    s0 = madd(v128.load32_splat(a0), w, s0);
    s1 = madd(v128.load32_splat(a0 + a1), w, s1);
    s2 = madd(v128.load32_splat(a0 + a2), w, s2);
    s3 = madd(v128.load32_splat(a0 + a3), w, s3);
    s4 = madd(v128.load32_splat(a0 + a4), w, s4);
    a0 += 4;
  }
  v128.store(acc, s0, 0);
  v128.store(acc, s1, 16);
  v128.store(acc, s2, 32);
  v128.store(acc, s3, 48);
  v128.store(acc, s4, 64);
}

/** Activation, residual, and the accumulators' 4 or 8 channels into y's `channels`. */
function finish(accumulators: usize, y: usize, residual: usize, pixels: i32, channels: i32, cOut: i32, activation: i32, slope: f32): void {
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let left = channels; left > 0; left -= 4) {
      let v = activate(v128.load(accumulators), activation, slope);
      const offset: usize = <usize>(channels - left) << 2;
      if (residual) v = f32x4.add(v, v128.load(residual + offset));
      storeLanes(y + offset, v, left);
      accumulators += 16;
    }
    y += <usize>cOut << 2;
    if (residual) residual += <usize>cOut << 2;
  }
}

// @ts-ignore: decorator
@inline
function activate(v: v128, activation: i32, slope: f32): v128 {
  const zero = f32x4.splat(0);
  switch (activation) {
    case 1: return f32x4.max(v, zero); // relu
    case 2: return v128.bitselect(f32x4.mul(v, f32x4.splat(slope)), v, f32x4.lt(v, zero)); // leaky-relu
    case 3: return f32x4.mul(v, sigmoid(v)); // silu
    case 4: return f32x4.mul(f32x4.mul(v, f32x4.splat(1.0 / 6.0)), f32x4.min(f32x4.max(f32x4.add(v, f32x4.splat(3)), zero), f32x4.splat(6))); // hardswish
    default: return v;
  }
}
