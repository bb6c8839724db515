// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255 (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back: clamped to 0..255, rounded half up.
// Reference: src/backends/reference/pixels.ts
// Schedule: four pixels at a time; a row's last ones are computed with idle lanes and stored one by one.
import { storeLanes } from './simd';

/** Reads up to 3 pixels after the end of `pixels`. */
export function pixelsToPlanes(pixels: usize, luma: usize, chroma: usize, size: i32, alpha: bool): void {
  const mask = i32x4.splat(0xff);
  const unit = f32x4.splat(1.0 / 255.0);
  let alphas = luma + (<usize>size << 2);
  for (let i = 0; i < size; i += 4) {
    const lanes = size - i;
    const rgba = v128.load(pixels);
    const r = f32x4.mul(f32x4.convert_i32x4_s(v128.and(rgba, mask)), unit);
    const g = f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(rgba, 8), mask)), unit);
    const b = f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(rgba, 16), mask)), unit);
    const y = f32x4.add(f32x4.add(f32x4.mul(r, f32x4.splat(0.299)), f32x4.mul(g, f32x4.splat(0.587))), f32x4.mul(b, f32x4.splat(0.114)));
    const cb = f32x4.mul(f32x4.sub(b, y), f32x4.splat(1.0 / 1.772));
    const cr = f32x4.mul(f32x4.sub(r, y), f32x4.splat(1.0 / 1.402));
    storeLanes(luma, y, lanes);
    const pairs0 = v128.shuffle<f32>(cb, cr, 0, 4, 1, 5);
    const pairs1 = v128.shuffle<f32>(cb, cr, 2, 6, 3, 7);
    storeLanes(chroma, pairs0, lanes * 2);
    if (lanes > 2) storeLanes(chroma + 16, pairs1, lanes * 2 - 4);
    if (alpha) {
      storeLanes(alphas, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(rgba, 24)), unit), lanes);
      alphas += 16;
    }
    pixels += 16;
    luma += 16;
    chroma += 32;
  }
}

/** luma (h, w), alphas (h, w) or 0, chroma (h, w, 2) -> the rectangle at (left, top) of width x height. Reads up to 3 pixels after each plane. */
export function planesToPixels(luma: usize, alphas: usize, chroma: usize, pixels: usize, w: i32, left: i32, top: i32, width: i32, height: i32): void {
  for (let oy = 0; oy < height; oy++) {
    for (let ox = 0; ox < width; ox += 4) {
      const i: usize = <usize>(top + oy) * w + left + ox;
      const y = v128.load(luma + (i << 2));
      const pairs0 = v128.load(chroma + (i << 3), 0);
      const pairs1 = v128.load(chroma + (i << 3), 16);
      const cb = v128.shuffle<f32>(pairs0, pairs1, 0, 2, 4, 6);
      const cr = v128.shuffle<f32>(pairs0, pairs1, 1, 3, 5, 7);
      const r = f32x4.add(y, f32x4.mul(cr, f32x4.splat(1.402)));
      const b = f32x4.add(y, f32x4.mul(cb, f32x4.splat(1.772)));
      const g = f32x4.sub(f32x4.sub(y, f32x4.mul(cb, f32x4.splat(0.114 * 1.772 / 0.587))), f32x4.mul(cr, f32x4.splat(0.299 * 1.402 / 0.587)));
      const a = alphas ? byte(v128.load(alphas + (i << 2))) : i32x4.splat(255);
      const rgba = v128.or(v128.or(byte(r), i32x4.shl(byte(g), 8)), v128.or(i32x4.shl(byte(b), 16), i32x4.shl(a, 24)));
      storeLanes(pixels, rgba, width - ox);
      pixels += <usize>min(4, width - ox) << 2;
    }
  }
}

/** floor(v * 255 + 0.5), clamped to 0..255. */
// @ts-ignore: decorator
@inline
function byte(v: v128): v128 {
  const scaled = f32x4.add(f32x4.mul(v, f32x4.splat(255)), f32x4.splat(0.5));
  return i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(scaled, f32x4.splat(0)), f32x4.splat(255)));
}
