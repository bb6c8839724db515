// reassemble: out[y*s+sy, x*s+sx, c] = sum_{ky,kx} features[y+ky-r, x+kx-r, c] * rows[y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (h, w, c)   rows (h, w, groups*K*s^2)   out (h*s, w*s, c) or (c, h*s, w*s); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Reference: src/backends/reference/reassemble.ts. CARAFE, arXiv:1905.02188, eq. 3.
// Schedule: the s^2 sub-pixels of a source pixel share one window, so each feature vector is loaded once for four of them: tiles of
// 4 sub-pixels x 2 vectors of channels (8 accumulators, 2 features, 1 splat: 45 GF/s; 4x1 25 GF/s, 4x4 spills). The window is a
// table of tap addresses, so that borders cost nothing in the inner loop. For NCHW a segment of a row is written to `block`, which stays in
// the cache, and transposed from there. All channels of a group before the next pixel: 64 at a time were 1.3 times slower (cache sets).
// 256 channels, 50x50, s 2, kUp 5: 5.4 ms to planes, 3.7 to NHWC and 2.4 more for a transpose of its own.
import { toPlanes } from './layout';
import { madd, storeLanes } from './simd';

/**
 * One image. `yTaps` [h][kUp] and `xTaps` [w][kUp] are the source indices of the taps, -1 where they read zero; `zeros` holds c + 4
 * zeros, `table` room for kUp^2 pointers; `block`, 0 for NHWC, s^2 * segment * c + 4 floats. Reads up to 3 floats after the end of features.
 */
export function reassemble(
  features: usize, rows: usize, out: usize, yTaps: usize, xTaps: usize, zeros: usize, table: usize, block: usize,
  h: i32, w: i32, c: i32, s: i32, kUp: i32, groups: i32, segment: i32,
): void {
  const taps = kUp * kUp;
  const subs = s * s;
  const perGroup = c / groups;
  const groupBytes: usize = <usize>(taps * subs) << 2;
  const rowBytes = groupBytes * groups;
  const step: usize = <usize>c << 2;
  const plane: usize = <usize>(h * s * w * s) << 2;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x += segment) {
      const pixels = min(segment, w - x);
      const line = step * (block ? pixels * s : w * s);
      let to = block ? block : out + (<usize>y * s * w + x) * s * step;
      for (let i = 0; i < pixels; i++) {
        window(features, zeros, table, yTaps + (<usize>(y * kUp) << 2), xTaps + (<usize>((x + i) * kUp) << 2), w, c, kUp);
        for (let sub = 0; sub < subs; sub += subs - sub >= 4 ? 4 : 1) {
          const kernel = rows + (<usize>sub << 2);
          const o0 = pixel(to, line, step, sub, s);
          if (subs - sub >= 4) {
            const o1 = pixel(to, line, step, sub + 1, s);
            const o2 = pixel(to, line, step, sub + 2, s);
            const o3 = pixel(to, line, step, sub + 3, s);
            for (let g = 0; g < groups; g++) fourSubPixels(table, kernel + groupBytes * g, o0, o1, o2, o3, taps, subs, g * perGroup, perGroup);
          } else {
            for (let g = 0; g < groups; g++) oneSubPixel(table, kernel + groupBytes * g, o0, taps, subs, g * perGroup, perGroup);
          }
        }
        rows += rowBytes;
        to += step * s;
      }
      if (block) {
        for (let sy = 0; sy < s; sy++) toPlanes(block + line * sy, out + (((<usize>y * s + sy) * w + x) * s << 2), pixels * s, c, step, plane);
      }
    }
  }
}

/** Fills the table with the addresses of the window's pixels. */
function window(features: usize, zeros: usize, table: usize, yTaps: usize, xTaps: usize, w: i32, c: i32, kUp: i32): void {
  for (let ky = 0; ky < kUp; ky++) {
    const iy = i32.load(yTaps + (<usize>ky << 2));
    for (let kx = 0; kx < kUp; kx++) {
      const ix = i32.load(xTaps + (<usize>kx << 2));
      store<usize>(table, (iy | ix) < 0 ? zeros : features + ((<usize>(iy * w + ix) * c) << 2));
      table += 4;
    }
  }
}

// @ts-ignore: decorator
@inline
function pixel(first: usize, line: usize, step: usize, sub: i32, s: i32): usize {
  return first + line * (sub / s) + step * (sub % s);
}

function fourSubPixels(table: usize, kernel: usize, o0: usize, o1: usize, o2: usize, o3: usize, taps: i32, subs: i32, first: i32, channels: i32): void {
  const last = first + channels;
  let c = first;
  for (; c + 8 <= last; c += 8) tile4x2(table, kernel, o0, o1, o2, o3, taps, subs, <usize>c << 2);
  for (; c < last; c += 4) tile4x1(table, kernel, o0, o1, o2, o3, taps, subs, <usize>c << 2, last - c);
}

function tile4x2(table: usize, kernel: usize, o0: usize, o1: usize, o2: usize, o3: usize, taps: i32, subs: i32, offset: usize): void {
  let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (let end = table + (<usize>taps << 2); table < end; table += 4) {
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
    kernel += <usize>subs << 2;
  }
  v128.store(o0 + offset, s00, 0); v128.store(o0 + offset, s01, 16);
  v128.store(o1 + offset, s10, 0); v128.store(o1 + offset, s11, 16);
  v128.store(o2 + offset, s20, 0); v128.store(o2 + offset, s21, 16);
  v128.store(o3 + offset, s30, 0); v128.store(o3 + offset, s31, 16);
}

/** The last 1..7 channels of a group, 4 at a time. */
function tile4x1(table: usize, kernel: usize, o0: usize, o1: usize, o2: usize, o3: usize, taps: i32, subs: i32, offset: usize, channels: i32): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let end = table + (<usize>taps << 2); table < end; table += 4) {
    const f = v128.load(load<usize>(table) + offset);
    s0 = madd(v128.load32_splat(kernel, 0), f, s0);
    s1 = madd(v128.load32_splat(kernel, 4), f, s1);
    s2 = madd(v128.load32_splat(kernel, 8), f, s2);
    s3 = madd(v128.load32_splat(kernel, 12), f, s3);
    kernel += <usize>subs << 2;
  }
  storeLanes(o0 + offset, s0, channels);
  storeLanes(o1 + offset, s1, channels);
  storeLanes(o2 + offset, s2, channels);
  storeLanes(o3 + offset, s3, channels);
}

/** What is left when s^2 is not a multiple of four: s = 1, and one sub-pixel of s = 3. */
function oneSubPixel(table: usize, kernel: usize, out: usize, taps: i32, subs: i32, first: i32, channels: i32): void {
  const last = first + channels;
  let c = first;
  for (; c + 16 <= last; c += 16) tile1x4(table, kernel, out, taps, subs, <usize>c << 2);
  for (; c < last; c += 4) tile1x1(table, kernel, out, taps, subs, <usize>c << 2, last - c);
}

function tile1x4(table: usize, kernel: usize, out: usize, taps: i32, subs: i32, offset: usize): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let end = table + (<usize>taps << 2); table < end; table += 4) {
    const f = load<usize>(table) + offset;
    const k = v128.load32_splat(kernel);
    s0 = madd(k, v128.load(f, 0), s0);
    s1 = madd(k, v128.load(f, 16), s1);
    s2 = madd(k, v128.load(f, 32), s2);
    s3 = madd(k, v128.load(f, 48), s3);
    kernel += <usize>subs << 2;
  }
  v128.store(out + offset, s0, 0);
  v128.store(out + offset, s1, 16);
  v128.store(out + offset, s2, 32);
  v128.store(out + offset, s3, 48);
}

function tile1x1(table: usize, kernel: usize, out: usize, taps: i32, subs: i32, offset: usize, channels: i32): void {
  let s = f32x4.splat(0);
  for (let end = table + (<usize>taps << 2); table < end; table += 4) {
    s = madd(v128.load32_splat(kernel), v128.load(load<usize>(table) + offset), s);
    kernel += <usize>subs << 2;
  }
  storeLanes(out + offset, s, channels);
}
