// reassemble: out[y*s+sy, x*s+sx, c] = sum_{ky,kx} features[y+ky-r, x+kx-r, c] * rows[y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (h, w, c)   kernels = rows (h, w, groups*K*s^2)   out (h*s, w*s, c) or (c, h*s, w*s); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Reference: src/backends/reference/reassemble.ts. CARAFE, arXiv:1905.02188, eq. 3.
// Schedule: the s^2 sub-pixels of a source pixel share one window, so a feature vector is loaded once for several of them: tiles of 2
// sub-pixels x 5 vectors of channels (10 accumulators, which hide the latency of a multiply-add, 2 splats, 1 feature), what is left in tiles of
// 4 x 2 and 4 x 1. Towards planes (NCHW) the accumulators are transposed on their way out, so that nothing is written twice.
import { madd, storeLanes } from './simd';

/**
 * One row of source pixels -> s rows of the output, of c channels of one group. `features` holds kUp addresses: of each row of the window of the
 * first pixel, r pixels left of it. Pixels lie `pixelBytes` apart in features, `kernelBytes` in kernels; output rows, pixels and channels
 * `outRow`, `outPixel` and `outChannel` (4: NHWC; 4 pixels: planes). `table` is scratch for kUp^2 addresses. Reads up to 3 floats after a pixel's channels.
 */
export function reassemble(
  features: usize, kernels: usize, out: usize, outRow: usize, outPixel: usize, outChannel: usize, table: usize,
  w: i32, c: i32, pixelBytes: usize, kernelBytes: usize, s: i32, kUp: i32,
): void {
  const subs = s * s;
  const tapBytes: usize = <usize>subs << 2;
  const plane: usize = outChannel == 4 ? 0 : outChannel;
  const end = windowTable(table, features, kUp, pixelBytes);
  let offset: usize = 0;
  for (let x = 0; x < w; x++) {
    for (let sub = 0; sub < subs; sub += subs - sub >= 4 ? 4 : 1) {
      const kernel = kernels + (<usize>sub << 2);
      const o0 = subPixel(out, outRow, outPixel, sub, s);
      let ci = 0;
      if (subs - sub >= 4) {
        const o1 = subPixel(out, outRow, outPixel, sub + 1, s), o2 = subPixel(out, outRow, outPixel, sub + 2, s), o3 = subPixel(out, outRow, outPixel, sub + 3, s);
        const pairs = !plane || (o1 - o0 == 4 && o3 - o2 == 4);
        for (; pairs && ci + 20 <= c; ci += 20) {
          const at = outChannel * ci;
          tile2x5(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, plane);
          tile2x5(table, end, kernel + 8, tapBytes, offset + (<usize>ci << 2), o2 + at, o3 + at, plane);
        }
        for (; ci + 8 <= c; ci += 8) {
          const at = outChannel * ci;
          tile4x2(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, o2 + at, o3 + at, plane);
        }
        for (; ci < c; ci += 4) {
          const at = outChannel * ci;
          tile4x1(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, o2 + at, o3 + at, plane, c - ci);
        }
      } else {
        for (; ci + 16 <= c; ci += 16) tile1x4(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + outChannel * ci, plane);
        for (; ci < c; ci += 4) tile1x1(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + outChannel * ci, plane, c - ci);
      }
    }
    offset += pixelBytes;
    kernels += kernelBytes;
    out += outPixel * s;
  }
}

/** The addresses of all taps of the first pixel's window, row by row; returns the table's end. */
export function windowTable(table: usize, rows: usize, kUp: i32, step: usize): usize {
  for (let ky = 0; ky < kUp; ky++) {
    let at = load<usize>(rows + (<usize>ky << 2));
    for (let kx = 0; kx < kUp; kx++) {
      store<usize>(table, at);
      at += step;
      table += 4;
    }
  }
  return table;
}

// @ts-ignore: decorator
@inline
function subPixel(first: usize, outRow: usize, outPixel: usize, sub: i32, s: i32): usize {
  return first + outRow * (sub / s) + outPixel * (sub % s);
}

/** Towards planes its sub-pixels lie side by side. The accumulators are declared in this order and begin as copies of these two, or V8 before 13 spills (49 -> 24 GF/s). */
function tile2x5(table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o0: usize, o1: usize, plane: usize): void {
  let s00 = f32x4.splat(0), s01 = s00;
  let s10 = s00, s11 = s01, s20 = s00, s21 = s01, s30 = s00, s31 = s01, s40 = s00, s41 = s01;
  for (; table < end; table += 4) {
    const f = load<usize>(table) + offset;
    const k0 = v128.load32_splat(kernel, 0), k1 = v128.load32_splat(kernel, 4);
    let v = v128.load(f, 0);
    s00 = madd(v, k0, s00);
    s01 = madd(v, k1, s01);
    v = v128.load(f, 16);
    s10 = madd(v, k0, s10);
    s11 = madd(v, k1, s11);
    v = v128.load(f, 32);
    s20 = madd(v, k0, s20);
    s21 = madd(v, k1, s21);
    v = v128.load(f, 48);
    s30 = madd(v, k0, s30);
    s31 = madd(v, k1, s31);
    v = v128.load(f, 64);
    s40 = madd(v, k0, s40);
    s41 = madd(v, k1, s41);
    kernel += tapBytes;
  }
  if (plane) {
    const next = plane << 2;
    storePairs(o0, plane, s00, s01); o0 += next;
    storePairs(o0, plane, s10, s11); o0 += next;
    storePairs(o0, plane, s20, s21); o0 += next;
    storePairs(o0, plane, s30, s31); o0 += next;
    storePairs(o0, plane, s40, s41);
  } else {
    v128.store(o0, s00, 0); v128.store(o1, s01, 0);
    v128.store(o0, s10, 16); v128.store(o1, s11, 16);
    v128.store(o0, s20, 32); v128.store(o1, s21, 32);
    v128.store(o0, s30, 48); v128.store(o1, s31, 48);
    v128.store(o0, s40, 64); v128.store(o1, s41, 64);
  }
}

function tile4x2(table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o0: usize, o1: usize, o2: usize, o3: usize, plane: usize): void {
  let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (; table < end; table += 4) {
    const f = load<usize>(table) + offset;
    const f0 = v128.load(f, 0), f1 = v128.load(f, 16);
    let k = v128.load32_splat(kernel, 0);
    s00 = madd(k, f0, s00);
    s01 = madd(k, f1, s01);
    k = v128.load32_splat(kernel, 4);
    s10 = madd(k, f0, s10);
    s11 = madd(k, f1, s11);
    k = v128.load32_splat(kernel, 8);
    s20 = madd(k, f0, s20);
    s21 = madd(k, f1, s21);
    k = v128.load32_splat(kernel, 12);
    s30 = madd(k, f0, s30);
    s31 = madd(k, f1, s31);
    kernel += tapBytes;
  }
  if (plane) {
    storeFour(o0, o1, o2, o3, plane, s00, s10, s20, s30, 4);
    const next = plane << 2;
    storeFour(o0 + next, o1 + next, o2 + next, o3 + next, plane, s01, s11, s21, s31, 4);
  } else {
    v128.store(o0, s00, 0); v128.store(o0, s01, 16);
    v128.store(o1, s10, 0); v128.store(o1, s11, 16);
    v128.store(o2, s20, 0); v128.store(o2, s21, 16);
    v128.store(o3, s30, 0); v128.store(o3, s31, 16);
  }
}

/** The last 1..7 channels of a group, 4 at a time. */
function tile4x1(table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o0: usize, o1: usize, o2: usize, o3: usize, plane: usize, channels: i32): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; table < end; table += 4) {
    const f = v128.load(load<usize>(table) + offset);
    s0 = madd(v128.load32_splat(kernel, 0), f, s0);
    s1 = madd(v128.load32_splat(kernel, 4), f, s1);
    s2 = madd(v128.load32_splat(kernel, 8), f, s2);
    s3 = madd(v128.load32_splat(kernel, 12), f, s3);
    kernel += tapBytes;
  }
  if (plane) {
    storeFour(o0, o1, o2, o3, plane, s0, s1, s2, s3, channels);
  } else {
    storeLanes(o0, s0, channels);
    storeLanes(o1, s1, channels);
    storeLanes(o2, s2, channels);
    storeLanes(o3, s3, channels);
  }
}

/** What is left when s^2 is not a multiple of four: s = 1, and one sub-pixel of s = 3. */
function tile1x4(table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o: usize, plane: usize): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; table < end; table += 4) {
    const f = load<usize>(table) + offset;
    const k = v128.load32_splat(kernel);
    s0 = madd(k, v128.load(f, 0), s0);
    s1 = madd(k, v128.load(f, 16), s1);
    s2 = madd(k, v128.load(f, 32), s2);
    s3 = madd(k, v128.load(f, 48), s3);
    kernel += tapBytes;
  }
  storeOne(o, plane, s0, 4);
  const next: usize = plane ? plane << 2 : 16;
  storeOne(o + next, plane, s1, 4);
  storeOne(o + next * 2, plane, s2, 4);
  storeOne(o + next * 3, plane, s3, 4);
}

function tile1x1(table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o: usize, plane: usize, channels: i32): void {
  let sum = f32x4.splat(0);
  for (; table < end; table += 4) {
    sum = madd(v128.load32_splat(kernel), v128.load(load<usize>(table) + offset), sum);
    kernel += tapBytes;
  }
  storeOne(o, plane, sum, channels);
}

/** Two sub-pixels side by side of four channels, each channel in its plane. */
// @ts-ignore: decorator
@inline
function storePairs(o: usize, plane: usize, a: v128, b: v128): void {
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  v128.store64_lane(o, ab0, 0); o += plane;
  v128.store64_lane(o, ab0, 1); o += plane;
  v128.store64_lane(o, ab1, 0); o += plane;
  v128.store64_lane(o, ab1, 1);
}

/** Four sub-pixels of up to four channels, each channel in its plane. */
// @ts-ignore: decorator
@inline
function storeFour(o0: usize, o1: usize, o2: usize, o3: usize, plane: usize, a: v128, b: v128, c: v128, d: v128, channels: i32): void {
  if (channels >= 4 && o1 - o0 == 4 && o3 - o2 == 4) {
    storePairs(o0, plane, a, b);
    storePairs(o2, plane, c, d);
  } else {
    storeOne(o0, plane, a, channels);
    storeOne(o1, plane, b, channels);
    storeOne(o2, plane, c, channels);
    storeOne(o3, plane, d, channels);
  }
}

/** One sub-pixel of up to four channels. */
function storeOne(o: usize, plane: usize, v: v128, channels: i32): void {
  if (!plane) { storeLanes(o, v, channels); return; }
  f32.store(o, f32x4.extract_lane(v, 0)); o += plane;
  if (channels > 1) f32.store(o, f32x4.extract_lane(v, 1)); o += plane;
  if (channels > 2) f32.store(o, f32x4.extract_lane(v, 2)); o += plane;
  if (channels > 3) f32.store(o, f32x4.extract_lane(v, 3));
}
