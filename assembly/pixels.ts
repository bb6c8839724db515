// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back: clamped to 0..255,
// rounded half up.
// Reference: src/backends/reference/pixels.ts
// Schedule: four pixels at a time; a row's last ones are computed with idle lanes and stored one by one.
import { storeLanes } from './simd';

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
    storeLanes(luma, y, lanes);
    const pairs0 = v128.shuffle<f32>(cb, cr, 0, 4, 1, 5);
    const pairs1 = v128.shuffle<f32>(cb, cr, 2, 6, 3, 7);
    storeLanes(chroma, pairs0, lanes * 2);
    if (lanes > 2) storeLanes(chroma + 16, pairs1, lanes * 2 - 4);
    if (alphas) {
      storeLanes(alphas, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(rgba, 24)), unit), lanes);
      alphas += 16;
    }
    pixels += 16;
    luma += 16;
    chroma += 32;
  }
}

/** `width` pixels of a row; alphas or 0. Reads up to 3 pixels after their end. */
export function planesToPixels(luma: usize, alphas: usize, chroma: usize, pixels: usize, width: i32): void {
  for (let ox = 0; ox < width; ox += 4) {
    const y = v128.load(luma);
    const pairs0 = v128.load(chroma, 0);
    const pairs1 = v128.load(chroma, 16);
    const cb = v128.shuffle<f32>(pairs0, pairs1, 0, 2, 4, 6);
    const cr = v128.shuffle<f32>(pairs0, pairs1, 1, 3, 5, 7);
    const r = f32x4.add(y, f32x4.mul(cr, f32x4.splat(1.402)));
    const b = f32x4.add(y, f32x4.mul(cb, f32x4.splat(1.772)));
    const g = f32x4.sub(
      f32x4.sub(y, f32x4.mul(cb, f32x4.splat(0.114 * 1.772 / 0.587))),
      f32x4.mul(cr, f32x4.splat(0.299 * 1.402 / 0.587)),
    );
    let rgba = v128.or(v128.or(byte(r), i32x4.shl(byte(g), 8)), i32x4.shl(byte(b), 16));
    if (alphas) {
      rgba = v128.or(rgba, i32x4.shl(byte(v128.load(alphas)), 24));
      alphas += 16;
    } else {
      rgba = v128.or(rgba, i32x4.splat(0xff000000));
    }
    storeLanes(pixels, rgba, width - ox);
    pixels += 16;
    luma += 16;
    chroma += 32;
  }
}

/**
 * floor(v * 255 + 0.5), clamped to 0..255. The integer is taken from the low bits of a sum with 2^23: trunc_sat is
 * eight instructions, as min and max are.
 */
// @ts-ignore: decorator
@inline
function byte(v: v128): v128 {
  const scaled = f32x4.add(f32x4.mul(v, f32x4.splat(255)), f32x4.splat(0.5));
  const clamped = f32x4.pmin(f32x4.pmax(scaled, f32x4.splat(0)), f32x4.splat(255));
  return v128.and(f32x4.add(f32x4.floor(clamped), f32x4.splat(8388608)), i32x4.splat(0xff));
}
