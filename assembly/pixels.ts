// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2).
// Back, of luma and base (1 or 2, h*s, w*s, 1); gains (1 or 2, h, w, 2), slopes, low and high (h, w) are those of the
// source pixel:
//   y = gain_a * clamp(luma, 0, 1) + gain_b;  C = chroma, enlarged, + slope_C * (y - base);  alpha like y
//   RGBA = clamp(floor(255 * value + 0.5), low, high)
// Reference: src/backends/reference/pixels.ts
// Schedule: four pixels at a time; a row's last ones are computed with idle lanes and stored one by one.
import { madd, storeLanes } from './simd';

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

/**
 * Every one of `count` values `scale` times. They lie `stride` floats apart and are copied as they are: bytes that look
 * like a NaN stay what
 * they are. With scale 2 reads up to 3 values past their end.
 */
export function spread(from: usize, to: usize, count: i32, stride: i32, scale: i32): void {
  const step: usize = <usize>stride << 2;
  if (scale == 2) {
    for (; count >= 4; count -= 4) {
      let four = v128.load(from);
      if (stride == 2) four = v128.shuffle<f32>(four, v128.load(from, 16), 0, 2, 4, 6);
      v128.store(to, v128.shuffle<f32>(four, four, 0, 0, 1, 1));
      v128.store(to, v128.shuffle<f32>(four, four, 2, 2, 3, 3), 16);
      from += step << 2;
      to += 32;
    }
  } else if (scale == 4) {
    for (; count > 0; count--) {
      v128.store(to, v128.load32_splat(from));
      from += step;
      to += 16;
    }
  }
  for (; count > 0; count--) {
    const value = load<u32>(from);
    for (let i = 0; i < scale; i++) {
      store<u32>(to, value);
      to += 4;
    }
    from += step;
  }
}

/**
 * `width` pixels of a row; alphas or 0, with gains of their own. Luma and alpha become gain * clamp(value, 0, 1) +
 * offset; slopes of chroma are
 * per difference of luma and base; bytes are kept within low..high. All have a value for each pixel. Reads up to 3
 * pixels past their end.
 */
export function planesToPixels(
  luma: usize, base: usize, gains: usize, offsets: usize, alphas: usize, alphaGains: usize, alphaOffsets: usize,
  chroma: usize, slopesB: usize, slopesR: usize, low: usize, high: usize, pixels: usize, width: i32,
): void {
  for (let ox = 0; ox < width; ox += 4) {
    const at = <usize>ox << 2;
    const y = adjusted(luma + at, gains + at, offsets + at);
    const step = f32x4.sub(y, v128.load(base + at));
    const pairs0 = v128.load(chroma + 2 * at, 0);
    const pairs1 = v128.load(chroma + 2 * at, 16);
    const cb = madd(v128.load(slopesB + at), step, v128.shuffle<f32>(pairs0, pairs1, 0, 2, 4, 6));
    const cr = madd(v128.load(slopesR + at), step, v128.shuffle<f32>(pairs0, pairs1, 1, 3, 5, 7));
    const r = f32x4.add(y, f32x4.mul(cr, f32x4.splat(1.402)));
    const b = f32x4.add(y, f32x4.mul(cb, f32x4.splat(1.772)));
    const g = f32x4.sub(
      f32x4.sub(y, f32x4.mul(cb, f32x4.splat(0.114 * 1.772 / 0.587))),
      f32x4.mul(cr, f32x4.splat(0.299 * 1.402 / 0.587)),
    );
    let rgba = v128.or(v128.or(byte(r), i32x4.shl(byte(g), 8)), i32x4.shl(byte(b), 16));
    if (alphas) rgba = v128.or(rgba, i32x4.shl(byte(adjusted(alphas + at, alphaGains + at, alphaOffsets + at)), 24));
    else rgba = v128.or(rgba, i32x4.splat(0xff000000));
    rgba = i8x16.min_u(i8x16.max_u(rgba, v128.load(low + at)), v128.load(high + at));
    storeLanes(pixels + at, rgba, width - ox);
  }
}

// @ts-ignore: decorator
@inline
function adjusted(value: usize, gain: usize, offset: usize): v128 {
  const inside = f32x4.pmin(f32x4.pmax(v128.load(value), f32x4.splat(0)), f32x4.splat(1));
  return madd(v128.load(gain), inside, v128.load(offset));
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
