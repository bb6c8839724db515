// reassemble: out[y*s+sy, x*s+sx, c] =
//   sum_{ky,kx} features[y+ky-r, x+kx-r, c] * rows[y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (h, w, c)   kernels = rows (h, w, groups*K*s^2)   out (h*s, w*s, c) or (c, h*s, w*s); K = kUp^2,
// r = (kUp-1)/2, g = floor(c / (C/groups)).
// Reference: src/backends/reference/reassemble.ts. CARAFE, arXiv:1905.02188, eq. 3.
// Schedule: the s^2 sub-pixels of a source pixel share one window, so a feature vector is loaded once for several of
// them: tiles of 2 sub-pixels x 5 vectors of channels (10 accumulators, which hide the latency of a multiply-add, 2
// splats, 1 feature), what is left in tiles of 4 x 2. Towards planes (NCHW) the accumulators are transposed on their
// way out, so that nothing is written twice.
import { REASSEMBLE_CHANNELS } from '../src/backends/wasm/constants';
import { madd, storeLanes } from './simd';

/** Bytes of scratch: a table of the addresses of all taps. */
export function reassembleScratch(kUp: i32): usize {
  return <usize>(kUp * kUp) << 2;
}

/**
 * One row of source pixels -> s rows of the output, of c channels of one group. `features` holds kUp addresses: of each
 * row of the window of the first pixel, r pixels left of it. Pixels lie `pixelBytes` apart in features, `kernelStep` in
 * kernels; output rows, pixels and channels `outRow`, `outPixel` and `outChannel`, which is 4 in NHWC; `outPixel` is 4
 * in planes. Reads up to 15 floats after a pixel's channels.
 */
export function reassemble(
  features: usize, kernels: usize, out: usize, outRow: usize, outPixel: usize, outChannel: usize, scratch: usize,
  w: i32, c: i32, pixelBytes: usize, kernelStep: usize, s: i32, kUp: i32,
): void {
  const subs = s * s;
  const tapBytes: usize = <usize>subs << 2;
  const plane: usize = outChannel == 4 ? 0 : outChannel;
  const table = scratch;
  const end = windowTable(table, features, kUp, pixelBytes);
  let offset: usize = 0;
  for (let x = 0; x < w; x++) {
    for (let sub = 0; sub < subs; sub += subs - sub >= 4 ? 4 : 1) {
      const kernel = kernels + (<usize>sub << 2);
      const o0 = subPixel(out, outRow, outPixel, sub, s);
      let ci = 0;
      if (subs - sub >= 4) {
        const o1 = subPixel(out, outRow, outPixel, sub + 1, s), o2 = subPixel(out, outRow, outPixel, sub + 2, s);
        const o3 = subPixel(out, outRow, outPixel, sub + 3, s);
        const pairs = !plane || (o1 - o0 == 4 && o3 - o2 == 4);
        // 24 are three times 8
        for (; pairs && c - ci >= REASSEMBLE_CHANNELS && c - ci != 24; ci += REASSEMBLE_CHANNELS) {
          const at = outChannel * ci;
          tile2x5(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, plane);
          tile2x5(table, end, kernel + 8, tapBytes, offset + (<usize>ci << 2), o2 + at, o3 + at, plane);
        }
        for (; ci < c; ci += 8) {
          const at = outChannel * ci;
          tile4x2(
            table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, o2 + at, o3 + at, plane, c - ci,
          );
        }
      } else {
        for (; ci < c; ci += 16) {
          tile1x4(table, end, kernel, tapBytes, offset + (<usize>ci << 2), o0 + outChannel * ci, plane, c - ci);
        }
      }
    }
    offset += pixelBytes;
    kernels += kernelStep;
    out += outPixel * s;
  }
}

/**
 * The kernels of source pixels left..right-1 of row y of h x w, [pixel][groups][taps][subs], where a tap outside the
 * features counts for nothing. That is `kernels` itself, since the features are 0 there, unless such a tap is NaN or
 * infinite: then it is `copy`, with a 0 instead.
 */
export function insideTaps(
  kernels: usize, copy: usize, y: i32, left: i32, right: i32, h: i32, w: i32, s: i32, kUp: i32, groups: i32,
): usize {
  const r = kUp >> 1;
  const subs = s * s;
  const pixelBytes: usize = <usize>(groups * kUp * kUp * subs) << 2;
  const edge = y < r || y >= h - r;
  let sum = f32x4.splat(0); // stays 0 while all are finite
  for (let x = left; x < right; x++) {
    if (!edge && x >= r && x < w - r) { // on to the other side
      x = w - r - 1;
      continue;
    }
    sum = f32x4.add(sum, outsideTaps(kernels + pixelBytes * (x - left), y, x, h, w, subs, kUp, groups, false));
  }
  if (!v128.any_true(f32x4.ne(sum, f32x4.splat(0)))) return kernels;
  memory.copy(copy, kernels, pixelBytes * (right - left));
  for (let x = left; x < right; x++) outsideTaps(copy + pixelBytes * (x - left), y, x, h, w, subs, kUp, groups, true);
  return copy;
}

/** The sum of the taps outside times 0, and of up to 3 floats behind each. With `clear` they become 0. */
function outsideTaps(
  kernels: usize, y: i32, x: i32, h: i32, w: i32, subs: i32, kUp: i32, groups: i32, clear: bool,
): v128 {
  const r = kUp >> 1;
  const tapBytes: usize = <usize>subs << 2;
  const zero = f32x4.splat(0);
  let sum = zero;
  for (let g = 0; g < groups; g++) {
    for (let ky = y - r; ky <= y + r; ky++) {
      for (let kx = x - r; kx <= x + r; kx++) {
        if (ky < 0 || ky >= h || kx < 0 || kx >= w) {
          if (clear) memory.fill(kernels, 0, tapBytes);
          for (let at: usize = 0; !clear && at < tapBytes; at += 16) {
            sum = f32x4.add(sum, f32x4.mul(zero, v128.load(kernels + at)));
          }
        }
        kernels += tapBytes;
      }
    }
  }
  return sum;
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

/**
 * Towards planes its sub-pixels lie side by side. The accumulators are declared in this order and begin as copies of
 * these two, or V8 before 13 spills (49 -> 24 GF/s).
 */
function tile2x5(
  table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o0: usize, o1: usize, plane: usize,
): void {
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

/** Up to 8 channels: with fewer accumulators it would be no quicker. */
function tile4x2(
  table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o0: usize, o1: usize, o2: usize, o3: usize,
  plane: usize, channels: i32,
): void {
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
  const next: usize = plane ? plane << 2 : 16;
  if (channels >= 8 && o1 - o0 == 4 && o3 - o2 == 4) { // which in NHWC they are not
    storePairs(o0, plane, s00, s10); storePairs(o2, plane, s20, s30);
    storePairs(o0 + next, plane, s01, s11); storePairs(o2 + next, plane, s21, s31);
  } else if (channels >= 8 && !plane) {
    v128.store(o0, s00); v128.store(o0, s01, 16);
    v128.store(o1, s10); v128.store(o1, s11, 16);
    v128.store(o2, s20); v128.store(o2, s21, 16);
    v128.store(o3, s30); v128.store(o3, s31, 16);
  } else {
    storeOne(o0, plane, s00, channels);
    storeOne(o1, plane, s10, channels);
    storeOne(o2, plane, s20, channels);
    storeOne(o3, plane, s30, channels);
    channels -= 4;
    storeOne(o0 + next, plane, s01, channels);
    storeOne(o1 + next, plane, s11, channels);
    storeOne(o2 + next, plane, s21, channels);
    storeOne(o3 + next, plane, s31, channels);
  }
}

/** Up to 16 channels of the last sub-pixel of an odd s. */
function tile1x4(
  table: usize, end: usize, kernel: usize, tapBytes: usize, offset: usize, o: usize, plane: usize, channels: i32,
): void {
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
  const next: usize = plane ? plane << 2 : 16;
  storeOne(o, plane, s0, channels);
  storeOne(o + next, plane, s1, channels - 4);
  storeOne(o + next * 2, plane, s2, channels - 8);
  storeOne(o + next * 3, plane, s3, channels - 12);
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

/** One sub-pixel of up to four channels, or of none. */
function storeOne(o: usize, plane: usize, v: v128, channels: i32): void {
  if (channels < 1) return;
  if (!plane) { storeLanes(o, v, channels); return; }
  f32.store(o, f32x4.extract_lane(v, 0)); o += plane;
  if (channels > 1) f32.store(o, f32x4.extract_lane(v, 1)); o += plane;
  if (channels > 2) f32.store(o, f32x4.extract_lane(v, 2)); o += plane;
  if (channels > 3) f32.store(o, f32x4.extract_lane(v, 3));
}
