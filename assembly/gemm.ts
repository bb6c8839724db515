// gemm: y[p, co] = act(bias[co] + sum_k a[p, k] * weights[k, co]) + residual[p, co]: what convolutions and the encoder
// of reassembleSum share.
// A row of `pixels` pixels; pixel p reads the K floats at a + p * aStep and writes cOut floats at y + p * yStep.
// Schedule: a tile is 5 pixels x 2 vectors of 4 output channels (10 accumulators + 2 weights + 1 splat: 13 of the 15
// registers V8 has; the one that no V8 spills) and runs over all of K in one loop, so that a sum is in a register from
// its bias to its activation.
import { TILE_CHANNELS, TILE_PIXELS } from '../src/backends/wasm/constants';
import { leaky, madd, storeLanes } from './simd';

/** Bytes of scratch that gemm needs. */
export const GEMM_SCRATCH: usize = TILE_PIXELS * TILE_CHANNELS * 4;

/**
 * weights: blocks of 8 output channels, 4 in the last block if no more are left: [block][K][8 or 4]; bias padded
 * likewise.
 * y = v >= 0 ? v : v * slope, then + residual unless that is 0 (it lies like y). `scratch`: GEMM_SCRATCH bytes.
 * Up to 4 pixels after the last one are read and not kept.
 */
export function gemm(
  a: usize, weights: usize, bias: usize, residual: usize, y: usize, scratch: usize,
  pixels: i32, K: i32, cOut: i32, aStep: usize, yStep: usize, slope: f32,
): void {
  for (let co = 0; co < cOut; co += 8) {
    const channels = min(8, cOut - co);
    const end = weights + (<usize>K << (channels > 4 ? 5 : 4));
    if (pixels >= TILE_PIXELS && (channels & 3) == 0) {
      for (let p = 0; p < pixels; p += TILE_PIXELS) {
        // the last tile recomputes pixels of the one before: the same operations, the same bits
        const first: usize = min(p, pixels - TILE_PIXELS);
        if (channels == 8) tile5x2(a + aStep * first, weights, end, bias, y + yStep * first, aStep, yStep);
        else tile5x1(a + aStep * first, weights, end, bias, y + yStep * first, aStep, yStep);
      }
    } else {
      for (let p = 0; p < pixels; p += TILE_PIXELS) {
        if (channels > 4) tile5x2(a + aStep * p, weights, end, bias, scratch, aStep, 32);
        else tile5x1(a + aStep * p, weights, end, bias, scratch, aStep, 32);
        keep(scratch, y + yStep * p, min(TILE_PIXELS, pixels - p), channels, yStep);
      }
    }
    weights = end;
    bias += 32;
    y += 32;
  }
  if (slope != 1 || residual) finish(y - (<usize>((cOut + 7) >> 3) << 5), residual, pixels, cOut, yStep, slope);
}

/** Bytes of scratch that gemmWide needs. */
export function gemmWideScratch(K: i32): usize {
  return GEMM_SCRATCH + (<usize>(K * TILE_PIXELS) << 2);
}

/**
 * The same for many output channels: y = bias + sum. The 5 pixels of a tile are laid side by side, [k][5], for all of
 * its blocks of 8 channels. `scratch`: gemmWideScratch(K) bytes.
 */
export function gemmWide(
  a: usize, weights: usize, bias: usize, y: usize, scratch: usize, pixels: i32, K: i32, cOut: i32, aStep: usize,
  yStep: usize,
): void {
  const blocks = pixels >= TILE_PIXELS ? cOut >> 3 : 0;
  const panel = scratch + GEMM_SCRATCH;
  for (let p = 0; p < pixels && blocks; p += TILE_PIXELS) {
    const first: usize = min(p, pixels - TILE_PIXELS);
    const from = a + aStep * first;
    for (let i: usize = 0; i < <usize>TILE_PIXELS; i++) {
      for (let k: usize = 0; k < <usize>K; k++) {
        f32.store(panel + (k * TILE_PIXELS + i << 2), f32.load(from + aStep * i + (k << 2)));
      }
    }
    tilesInPanel(panel, K, weights, bias, y + yStep * first, yStep, blocks);
  }
  const done = blocks << 3;
  if (done < cOut) {
    const rest = weights + (<usize>(K * done) << 2), offset = <usize>done << 2;
    gemm(a, rest, bias + offset, 0, y + offset, scratch, pixels, K, cOut - done, aStep, yStep, 1);
  }
}

/** All blocks of 8 channels of 5 pixels. */
function tilesInPanel(panel: usize, K: i32, b: usize, bias: usize, y: usize, yStep: usize, blocks: i32): void {
  const y2 = yStep * 2, y3 = yStep * 3, y4 = yStep * 4;
  for (; blocks > 0; blocks--) {
    let s00 = v128.load(bias, 0), s01 = v128.load(bias, 16);
    let s10 = s00, s11 = s01, s20 = s00, s21 = s01, s30 = s00, s31 = s01, s40 = s00, s41 = s01;
    let a = panel;
    for (const end = b + (<usize>K << 5); b < end; b += 32) {
      const w0 = v128.load(b, 0), w1 = v128.load(b, 16);
      let v = v128.load32_splat(a);
      s00 = madd(v, w0, s00);
      s01 = madd(v, w1, s01);
      v = v128.load32_splat(a, 4);
      s10 = madd(v, w0, s10);
      s11 = madd(v, w1, s11);
      v = v128.load32_splat(a, 8);
      s20 = madd(v, w0, s20);
      s21 = madd(v, w1, s21);
      v = v128.load32_splat(a, 12);
      s30 = madd(v, w0, s30);
      s31 = madd(v, w1, s31);
      v = v128.load32_splat(a, 16);
      s40 = madd(v, w0, s40);
      s41 = madd(v, w1, s41);
      a += TILE_PIXELS << 2;
    }
    v128.store(y, s00, 0); v128.store(y, s01, 16);
    v128.store(y + yStep, s10, 0); v128.store(y + yStep, s11, 16);
    v128.store(y + y2, s20, 0); v128.store(y + y2, s21, 16);
    v128.store(y + y3, s30, 0); v128.store(y + y3, s31, 16);
    v128.store(y + y4, s40, 0); v128.store(y + y4, s41, 16);
    y += 32;
    bias += 32;
  }
}

/** The part of a tile that lies inside. */
function keep(scratch: usize, y: usize, pixels: i32, channels: i32, yStep: usize): void {
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < channels; c += 4) {
      storeLanes(y + (<usize>c << 2), v128.load(scratch + (<usize>c << 2)), channels - c);
    }
    scratch += 32;
    y += yStep;
  }
}

/** Slope and residual of a row, in place: in the tile itself they cost Node 20 its registers. */
function finish(y: usize, residual: usize, pixels: i32, cOut: i32, yStep: usize, slope: f32): void {
  const factor = f32x4.splat(slope);
  if (yStep == <usize>cOut << 2 && (cOut & 3) == 0) { // one run of whole vectors
    for (const end = y + yStep * pixels; y < end; y += 16) {
      let v = leaky(v128.load(y), factor);
      if (residual) {
        v = f32x4.add(v, v128.load(residual));
        residual += 16;
      }
      v128.store(y, v);
    }
    return;
  }
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < cOut; c += 4) {
      const offset: usize = <usize>c << 2;
      let v = leaky(v128.load(y + offset), factor);
      if (residual) v = f32x4.add(v, v128.load(residual + offset));
      storeLanes(y + offset, v, cOut - c);
    }
    y += yStep;
    if (residual) residual += yStep;
  }
}

/** y[p, 0..7] = bias + sum_k a[p, k] * b[k, 0..7] for 5 pixels; b from `b` to `end`. */
export function tile5x2(a0: usize, b: usize, end: usize, bias: usize, y: usize, aStep: usize, yStep: usize): void {
  const a1 = aStep, a2 = aStep * 2, a3 = aStep * 3, a4 = aStep * 4;
  let s00 = v128.load(bias, 0), s01 = v128.load(bias, 16);
  let s10 = s00, s11 = s01, s20 = s00, s21 = s01, s30 = s00, s31 = s01, s40 = s00, s41 = s01;
  for (; b < end; b += 32) {
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
  v128.store(y, s00, 0); v128.store(y, s01, 16); y += yStep;
  v128.store(y, s10, 0); v128.store(y, s11, 16); y += yStep;
  v128.store(y, s20, 0); v128.store(y, s21, 16); y += yStep;
  v128.store(y, s30, 0); v128.store(y, s31, 16); y += yStep;
  v128.store(y, s40, 0); v128.store(y, s41, 16);
}

/** The same for 4 channels. */
export function tile5x1(a0: usize, b: usize, end: usize, bias: usize, y: usize, aStep: usize, yStep: usize): void {
  const a1 = aStep, a2 = aStep * 2, a3 = aStep * 3, a4 = aStep * 4;
  let s0 = v128.load(bias);
  let s1 = s0, s2 = s0, s3 = s0, s4 = s0;
  for (; b < end; b += 16) {
    const w = v128.load(b);
    s0 = madd(v128.load32_splat(a0), w, s0);
    s1 = madd(v128.load32_splat(a0 + a1), w, s1);
    s2 = madd(v128.load32_splat(a0 + a2), w, s2);
    s3 = madd(v128.load32_splat(a0 + a3), w, s3);
    s4 = madd(v128.load32_splat(a0 + a4), w, s4);
    a0 += 4;
  }
  v128.store(y, s0); y += yStep;
  v128.store(y, s1); y += yStep;
  v128.store(y, s2); y += yStep;
  v128.store(y, s3); y += yStep;
  v128.store(y, s4);
}
