// colourLines: along which line the colours around a source pixel lie, and between which bounds.
// pixels (h, w)   luma (h, w, 1)   chroma (h, w, 2), edges replicated; slopes (h, w, 2), low and high (h, w)
//   rho = min(1, (cov(Y, Cb)^2 + cov(Y, Cr)^2) / ((var Y + 1e-6) * (var Cb + var Cr + 3e-5))), over 3x3 pixels
//   slope_c = cov(Y, c) / (var Y + 3e-5) * rho^2
//   m = floor(12 + 255 * var Y / (var Y + 0.03) * (10 * max(0, 0.2 - max(|slope_b|, |slope_r|)) + max(0, 0.9 - rho)))
//   low, high: min - m, max + m of R, G, B over 5x5 pixels; min - 4, max + 4 of A over 3x3; saturated to 0..255
// Reference: src/backends/reference/colour-lines.ts
// Schedule: rows are added up (or their least and greatest bytes taken) first, into rows of scratch, then columns; four
// pixels at a time,
// of bytes all channels of them in one instruction.
import { madd, storeSome } from './simd';

const REACH: i32 = 2; // pixels repeated at both ends of a row of scratch
const SUMS: usize = 7; // rows of scratch: Y, Cb, Cr, Y^2, Y Cb, Y Cr, Cb^2 + Cr^2

// @ts-ignore: decorator
@inline
function rowBytes(w: i32): usize {
  return <usize>(w + 2 * REACH + 4) << 2;
}

/** Bytes of scratch for rows of w pixels. */
export function colourLinesScratch(w: i32): i32 {
  return <i32>((SUMS + 2) * rowBytes(w));
}

/**
 * Columns left..right-1 of a row of w pixels. `pixels` holds the addresses of column 0 of five rows, luma and chroma of
 * three; the results are
 * addresses of column 0. Reads up to 3 pixels past the end of a row.
 */
export function colourLines(
  pixels: usize, luma: usize, chroma: usize, slopes: usize, low: usize, high: usize, scratch: usize,
  left: i32, right: i32, w: i32,
): void {
  const row = rowBytes(w);
  const least = scratch + SUMS * row, greatest = least + row;
  const from: i32 = left > REACH ? left - REACH : 0;
  const to: i32 = right + REACH < w ? right + REACH : w;
  const reach: usize = REACH << 2;
  const colours = i32x4.splat(0xffffff);
  addUp(luma, chroma, scratch + reach, row, from, to);
  const p0 = load<usize>(pixels), p1 = load<usize>(pixels, 4), p2 = load<usize>(pixels, 8);
  const p3 = load<usize>(pixels, 12), p4 = load<usize>(pixels, 16);
  for (let at = <usize>from << 2, end = <usize>to << 2; at < end; at += 16) {
    const v0 = v128.load(p0 + at), v1 = v128.load(p1 + at), v2 = v128.load(p2 + at);
    const v3 = v128.load(p3 + at), v4 = v128.load(p4 + at);
    const min3 = u8x16min(u8x16min(v1, v2), v3), max3 = u8x16max(u8x16max(v1, v2), v3);
    v128.store(least + reach + at, v128.bitselect(u8x16min(min3, u8x16min(v0, v4)), min3, colours));
    v128.store(greatest + reach + at, v128.bitselect(u8x16max(max3, u8x16max(v0, v4)), max3, colours));
  }
  for (let i: usize = 0; i < SUMS + 2; i++) repeatEdges(scratch + i * row + reach, from, to, w);

  const ninth = f32x4.splat(1.0 / 9), zero = f32x4.splat(0), one = f32x4.splat(1);
  for (let x = left; x < right; x += 4) {
    const at = scratch + (<usize>x << 2) + reach;
    const y = f32x4.mul(ninth, three(at));
    const b = f32x4.mul(ninth, three(at + row)), r = f32x4.mul(ninth, three(at + 2 * row));
    // of one colour the difference may round to less than 0
    const varY = f32x4.pmax(f32x4.sub(f32x4.mul(ninth, three(at + 3 * row)), f32x4.mul(y, y)), zero);
    const covB = f32x4.sub(f32x4.mul(ninth, three(at + 4 * row)), f32x4.mul(y, b));
    const covR = f32x4.sub(f32x4.mul(ninth, three(at + 5 * row)), f32x4.mul(y, r));
    const varC = f32x4.sub(f32x4.mul(ninth, three(at + 6 * row)), madd(b, b, f32x4.mul(r, r)));
    const explained = madd(covB, covB, f32x4.mul(covR, covR));
    const whole = f32x4.mul(f32x4.add(varY, f32x4.splat(1e-6)), f32x4.add(varC, f32x4.splat(3e-5)));
    const rho = f32x4.pmin(one, f32x4.div(explained, whole));
    const factor = f32x4.div(f32x4.mul(rho, rho), f32x4.add(varY, f32x4.splat(3e-5)));
    const slopeB = f32x4.mul(covB, factor), slopeR = f32x4.mul(covR, factor);
    const steepest = f32x4.pmax(f32x4.abs(slopeB), f32x4.abs(slopeR));
    const grey = f32x4.pmax(zero, f32x4.sub(f32x4.splat(0.2), steepest));
    const doubt = madd(f32x4.splat(10), grey, f32x4.pmax(zero, f32x4.sub(f32x4.splat(0.9), rho)));
    const share = f32x4.div(varY, f32x4.add(varY, f32x4.splat(0.03)));
    const margin = f32x4.pmin(f32x4.splat(255), madd(f32x4.mul(f32x4.splat(255), share), doubt, f32x4.splat(12)));
    const bytes = v128.or(i32x4.mul(i32x4.trunc_sat_f32x4_s(margin), i32x4.splat(0x010101)), i32x4.splat(0x04000000));
    const ends = least + (<usize>x << 2);
    const min3 = u8x16min(u8x16min(v128.load(ends, 4), v128.load(ends, 8)), v128.load(ends, 12));
    const min5 = u8x16min(min3, u8x16min(v128.load(ends), v128.load(ends, 16)));
    const tops = greatest + (<usize>x << 2);
    const max3 = u8x16max(u8x16max(v128.load(tops, 4), v128.load(tops, 8)), v128.load(tops, 12));
    const max5 = u8x16max(max3, u8x16max(v128.load(tops), v128.load(tops, 16)));
    const lanes = right - x;
    storeSome(low + (<usize>x << 2), i8x16.sub_sat_u(v128.bitselect(min5, min3, colours), bytes), lanes);
    storeSome(high + (<usize>x << 2), i8x16.add_sat_u(v128.bitselect(max5, max3, colours), bytes), lanes);
    storeSome(slopes + (<usize>x << 3), v128.shuffle<f32>(slopeB, slopeR, 0, 4, 1, 5), lanes * 2);
    if (lanes > 2)
      storeSome(slopes + (<usize>x << 3) + 16, v128.shuffle<f32>(slopeB, slopeR, 2, 6, 3, 7), lanes * 2 - 4);
  }
}

/** The seven sums over three rows, columns from..to-1; `sums` is column 0 of the first. */
function addUp(luma: usize, chroma: usize, sums: usize, row: usize, from: i32, to: i32): void {
  for (let x = from; x < to; x += 4) {
    let y = f32x4.splat(0), b = y, r = y, yy = y, yb = y, yr = y, cc = y;
    for (let i: usize = 0; i < 12; i += 4) {
      const v = v128.load(load<usize>(luma + i) + (<usize>x << 2));
      const pairs = load<usize>(chroma + i) + (<usize>x << 3);
      const pairs0 = v128.load(pairs), pairs1 = v128.load(pairs, 16);
      const vb = v128.shuffle<f32>(pairs0, pairs1, 0, 2, 4, 6), vr = v128.shuffle<f32>(pairs0, pairs1, 1, 3, 5, 7);
      y = f32x4.add(y, v);
      b = f32x4.add(b, vb);
      r = f32x4.add(r, vr);
      yy = madd(v, v, yy);
      yb = madd(v, vb, yb);
      yr = madd(v, vr, yr);
      cc = madd(vb, vb, madd(vr, vr, cc));
    }
    const at = sums + (<usize>x << 2);
    v128.store(at, y);
    v128.store(at + row, b);
    v128.store(at + 2 * row, r);
    v128.store(at + 3 * row, yy);
    v128.store(at + 4 * row, yb);
    v128.store(at + 5 * row, yr);
    v128.store(at + 6 * row, cc);
  }
}

/** Of a row whose column 0 is at `first`, if its ends are among the columns from..to-1. */
function repeatEdges(first: usize, from: i32, to: i32, w: i32): void {
  if (from == 0) v128.store64_lane(first - (REACH << 2), v128.load32_splat(first), 0);
  if (to == w) v128.store64_lane(first + (<usize>w << 2), v128.load32_splat(first + (<usize>(w - 1) << 2)), 0);
}

/** Of four columns, the sum with their neighbours. */
// @ts-ignore: decorator
@inline
function three(at: usize): v128 {
  return f32x4.add(v128.load(at), f32x4.add(v128.load(at - 4), v128.load(at, 4)));
}

// @ts-ignore: decorator
@inline
function u8x16min(a: v128, b: v128): v128 {
  return i8x16.min_u(a, b);
}

// @ts-ignore: decorator
@inline
function u8x16max(a: v128, b: v128): v128 {
  return i8x16.max_u(a, b);
}
