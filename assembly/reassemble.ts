// reassemble: out[y*s+sy, x*s+sx, c] = sum_{ky,kx} features[y+ky-r, x+kx-r, c] * rows[y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (h, w, c)   rows (h, w, groups*K*s^2)   out (h*s, w*s, c) or (c, h*s, w*s); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Reference: src/backends/reference/reassemble.ts. CARAFE, arXiv:1905.02188, eq. 3.
// Schedule: the s^2 sub-pixels of a source pixel share one window, so each feature vector is loaded once for four of them: tiles of
// 4 sub-pixels x 2 vectors of channels (8 accumulators, 2 features, 1 splat; 4x1 half as fast, 4x4 spills). Towards planes (NCHW) the
// accumulators are transposed on their way out, so that nothing is written twice. 8 pixels x 64 channels at a time keep windows and
// planes in L1. 256 channels, 50x50, s 2, kUp 5: to planes 3.3-3.7 ms (74-81 % of the FMA peak; through a transposed block 6.5), to NHWC 3.2-3.4.
import { madd, storeLanes } from './simd';

const RUN: i32 = 8; // pixels
const CHUNK: i32 = 64; // channels

/**
 * One row of source pixels -> s rows of the output. `features` holds kUp addresses: of each row of the window of the first pixel, r
 * pixels left of it. out is NHWC, its rows `outRow` bytes apart, if `plane` is 0; else channels are `plane` bytes apart. `table` is scratch for
 * kUp^2 addresses. Reads up to 3 floats after a pixel's channels.
 */
export function reassemble(
  features: usize, rows: usize, out: usize, outRow: usize, plane: usize, table: usize, w: i32, c: i32, s: i32, kUp: i32, groups: i32,
): void {
  const subs = s * s;
  const perGroup = c / groups;
  const step: usize = <usize>c << 2;
  const tapBytes: usize = <usize>subs << 2;
  const groupBytes = tapBytes * (kUp * kUp);
  const end = windowTable(table, features, kUp, step);
  const across: usize = plane ? 4 : step; // from an output pixel to the next
  const channelStep: usize = plane ? plane : 4;
  for (let first = 0; first < w; first += RUN) {
    const last = min(first + RUN, w);
    for (let g = 0; g < groups; g++) {
      const groupEnd = (g + 1) * perGroup;
      for (let chunk = g * perGroup; chunk < groupEnd; chunk += CHUNK) {
        const chunkEnd = min(chunk + CHUNK, groupEnd);
        for (let x = first; x < last; x++) {
          const kernel = rows + groupBytes * (x * groups + g);
          const to = out + across * (x * s);
          const offset = step * x;
          for (let sub = 0; sub < subs; sub += subs - sub >= 4 ? 4 : 1) {
            const from = kernel + (<usize>sub << 2);
            const o0 = subPixel(to, outRow, across, sub, s);
            if (subs - sub >= 4) {
              const o1 = subPixel(to, outRow, across, sub + 1, s), o2 = subPixel(to, outRow, across, sub + 2, s), o3 = subPixel(to, outRow, across, sub + 3, s);
              let ci = chunk;
              for (; ci + 8 <= chunkEnd; ci += 8) {
                const at = channelStep * ci;
                tile4x2(table, end, from, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, o2 + at, o3 + at, plane);
              }
              for (; ci < chunkEnd; ci += 4) {
                const at = channelStep * ci;
                tile4x1(table, end, from, tapBytes, offset + (<usize>ci << 2), o0 + at, o1 + at, o2 + at, o3 + at, plane, chunkEnd - ci);
              }
            } else {
              let ci = chunk;
              for (; ci + 16 <= chunkEnd; ci += 16) tile1x4(table, end, from, tapBytes, offset + (<usize>ci << 2), o0 + channelStep * ci, plane);
              for (; ci < chunkEnd; ci += 4) tile1x1(table, end, from, tapBytes, offset + (<usize>ci << 2), o0 + channelStep * ci, plane, chunkEnd - ci);
            }
          }
        }
      }
    }
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
function subPixel(first: usize, outRow: usize, across: usize, sub: i32, s: i32): usize {
  return first + outRow * (sub / s) + across * (sub % s);
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

/** Four sub-pixels of up to four channels, each channel in its plane. Sub-pixels side by side go as pairs. */
// @ts-ignore: decorator
@inline
function storeFour(o0: usize, o1: usize, o2: usize, o3: usize, plane: usize, a: v128, b: v128, c: v128, d: v128, channels: i32): void {
  if (channels >= 4 && o1 - o0 == 4 && o3 - o2 == 4) {
    const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store64_lane(o0, ab0, 0); v128.store64_lane(o2, cd0, 0);
    o0 += plane; o2 += plane;
    v128.store64_lane(o0, ab0, 1); v128.store64_lane(o2, cd0, 1);
    o0 += plane; o2 += plane;
    v128.store64_lane(o0, ab1, 0); v128.store64_lane(o2, cd1, 0);
    o0 += plane; o2 += plane;
    v128.store64_lane(o0, ab1, 1); v128.store64_lane(o2, cd1, 1);
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
