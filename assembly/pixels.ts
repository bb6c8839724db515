// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2).
// Back, of luma and base (1 or 2, h*s, w*s, 1); gains (1 or 2, h, w, 2), slopes, low and high (h, w) are those of the
// source pixel:
//   y = gain_a * clamp(luma, 0, 1) + gain_b;  C = chroma, enlarged, + slope_C * (y - base);  alpha like y
//   RGBA = clamp(floor(255 * value + 0.5), low, high)
// Reference: src/backends/reference/pixels.ts
// Schedule: four pixels at a time; a row's last ones are computed with idle lanes. Back, the s rows of a source row
// at once: its values are spread to as many pixels only once.
import { madd, storeSome } from './simd';

/** `size` pixels of a row; alphas unless 0. Reads up to 3 pixels after the end of `pixels`. */
export function pixelsToPlanes(pixels: usize, luma: usize, alphas: usize, chroma: usize, size: i32): void {
  const mask = i32x4.splat(0xff);
  const unit = f32x4.splat(1.0 / 255.0);
  for (let i = 0; i < size; i += 4) {
    const lanes = size - i;
    const rgba = v128.load(pixels);
    const r = f32x4.mul(f32x4.convert_i32x4_s(v128.and(rgba, mask)), unit);
    const g = f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(rgba, 8), mask)), unit);
    const b = f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(rgba, 16), mask)), unit);
    const redGreen = f32x4.add(f32x4.mul(r, f32x4.splat(0.299)), f32x4.mul(g, f32x4.splat(0.587)));
    const y = f32x4.add(redGreen, f32x4.mul(b, f32x4.splat(0.114)));
    const cb = f32x4.mul(f32x4.sub(b, y), f32x4.splat(1.0 / 1.772));
    const cr = f32x4.mul(f32x4.sub(r, y), f32x4.splat(1.0 / 1.402));
    storeSome(luma, y, lanes);
    const pairs0 = v128.shuffle<f32>(cb, cr, 0, 4, 1, 5);
    const pairs1 = v128.shuffle<f32>(cb, cr, 2, 6, 3, 7);
    storeSome(chroma, pairs0, lanes * 2);
    if (lanes > 2) storeSome(chroma + 16, pairs1, lanes * 2 - 4);
    if (alphas) {
      storeSome(alphas, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(rgba, 24)), unit), lanes);
      alphas += 16;
    }
    pixels += 16;
    luma += 16;
    chroma += 32;
  }
}

/** Bytes of scratch for rows of `width` pixels of the enlargement. */
export function planesToPixelsScratch(width: i32, s: i32): i32 {
  return 8 * <i32>spreadBytes(width, s);
}

// @ts-ignore: decorator
@inline
function spreadBytes(width: i32, s: i32): usize {
  return <usize>(width + 2 * s + 4) << 2;
}

/**
 * `width` pixels of each of the s rows of a source row, written one row after the other, and up to 3 pixels after the
 * last. luma, base, alphas (or 0) and chroma are the addresses of the first pixel and `..Row` bytes apart in rows;
 * gains, alphaGains and slopes (two values a pixel), low and high (bytes) are of its source pixel, of which it is
 * column `phase`. Luma and alpha become gain * clamp(value, 0, 1) + offset; slopes of chroma are per difference of luma
 * and base; bytes are kept within low..high. Reads up to 3 pixels past the end of a row.
 */
export function planesToPixels(
  luma: usize, lumaRow: usize, base: usize, baseRow: usize, alphas: usize, chroma: usize, chromaRow: usize,
  gains: usize, alphaGains: usize, slopes: usize, low: usize, high: usize, pixels: usize, scratch: usize,
  phase: i32, width: i32, s: i32,
): void {
  const count = (phase + width + s - 1) / s;
  const step = spreadBytes(width, s), first = scratch + (<usize>phase << 2);
  spread(gains, scratch, count, 2, s);
  spread(gains + 4, scratch + step, count, 2, s);
  spread(slopes, scratch + step * 2, count, 2, s);
  spread(slopes + 4, scratch + step * 3, count, 2, s);
  spread(low, scratch + step * 4, count, 1, s);
  spread(high, scratch + step * 5, count, 1, s);
  if (alphas) {
    spread(alphaGains, scratch + step * 6, count, 2, s);
    spread(alphaGains + 4, scratch + step * 7, count, 2, s);
  }
  for (let row = 0; row < s; row++) {
    planesToRow(luma, base, alphas, chroma, first, step, pixels, width);
    luma += lumaRow;
    base += baseRow;
    chroma += chromaRow;
    if (alphas) alphas += lumaRow;
    pixels += <usize>width << 2;
  }
}

// Constants of planesToRow, in memory: V8 builds one in the code from several instructions at each use.
const PIXELS = memory.data<f32>([
  255, 12582912, 1.402, 1.772, // 12582912 = 1.5 * 2^23
  -0.7141362862, -0.3441362862, // -0.299 * 1.402 / 0.587, -0.114 * 1.772 / 0.587
], 16);

/** One row; `spreads` are the spread rows, `step` bytes apart. */
function planesToRow(
  luma: usize, base: usize, alphas: usize, chroma: usize, spreads: usize, step: usize, pixels: usize, width: i32,
): void {
  const step3 = step * 3, step5 = step * 5;
  const full = v128.load32_splat(PIXELS), integers = v128.load32_splat(PIXELS, 4);
  const redOfCr = v128.load32_splat(PIXELS, 8), blueOfCb = v128.load32_splat(PIXELS, 12);
  const greenOfCr = v128.load32_splat(PIXELS, 16), greenOfCb = v128.load32_splat(PIXELS, 20);
  let alpha = i32x4.splat(255);
  for (const end = pixels + (<usize>width << 2); pixels < end; pixels += 16) {
    const y = adjusted(luma, spreads, spreads + step);
    const above = f32x4.sub(y, v128.load(base));
    const pairs0 = v128.load(chroma);
    const pairs1 = v128.load(chroma, 16);
    const cb = madd(v128.load(spreads + step * 2), above, v128.shuffle<f32>(pairs0, pairs1, 0, 2, 4, 6));
    const cr = madd(v128.load(spreads + step3), above, v128.shuffle<f32>(pairs0, pairs1, 1, 3, 5, 7));
    const r = rounded(madd(cr, redOfCr, y), full, integers);
    const b = rounded(madd(cb, blueOfCb, y), full, integers);
    const g = rounded(madd(cr, greenOfCr, madd(cb, greenOfCb, y)), full, integers);
    if (alphas) {
      alpha = rounded(adjusted(alphas, spreads + step3 * 2, spreads + step5 + step * 2), full, integers);
      alphas += 16;
    }
    const planes = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(r, g), i16x8.narrow_i32x4_s(b, alpha));
    const rgba = v128.shuffle<u8>(planes, planes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const least = v128.load(spreads + step * 4), greatest = v128.load(spreads + step5);
    v128.store(pixels, i8x16.min_u(i8x16.max_u(rgba, least), greatest));
    luma += 16;
    base += 16;
    chroma += 32;
    spreads += 16;
  }
}

/** Every one of `count` values, `stride` floats apart, `scale` times, as they are. Reads up to 7 floats past them. */
function spread(from: usize, to: usize, count: i32, stride: i32, scale: i32): void {
  const step: usize = <usize>stride << 2;
  if (scale == 2) {
    for (; count > 0; count -= 4) {
      let four = v128.load(from);
      if (stride == 2) four = v128.shuffle<f32>(four, v128.load(from, 16), 0, 2, 4, 6);
      v128.store(to, v128.shuffle<f32>(four, four, 0, 0, 1, 1));
      if (count > 2) v128.store(to, v128.shuffle<f32>(four, four, 2, 2, 3, 3), 16);
      from += step << 2;
      to += 32;
    }
    return;
  }
  for (; count > 0; count--) { // up to 3 more times, which the next one overwrites
    const value = v128.load32_splat(from);
    for (let i = 0; i < scale; i += 4) v128.store(to + (<usize>i << 2), value);
    to += <usize>scale << 2;
    from += step;
  }
}

// @ts-ignore: decorator
@inline
function adjusted(value: usize, gain: usize, offset: usize): v128 {
  const inside = f32x4.pmin(f32x4.pmax(v128.load(value), f32x4.splat(0)), f32x4.splat(1));
  return madd(v128.load(gain), inside, v128.load(offset));
}

/**
 * floor(v * 255 + 0.5) as an integer, for |v| < 2^14: the low bits of a sum with 1.5 * 2^23 (trunc_sat is eight
 * instructions). What lies halfway goes to the even side.
 */
// @ts-ignore: decorator
@inline
function rounded(v: v128, full: v128, integers: v128): v128 {
  return i32x4.sub(madd(v, full, integers), integers);
}
