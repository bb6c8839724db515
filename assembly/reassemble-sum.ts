// reassembleSum: out[oy, ox] = base[oy, ox] + sum_g reassemble(maps, softmax(encode(x)))[oy, ox, g]
// x (h, w, cIn)   maps (h, w, groups)   base, out (h*s, w*s); encode is a 1x1 convolution cIn -> groups*kUp^2*s^2; taps
// outside maps read 0.
// Reference: src/backends/reference/reassemble-sum.ts
// Schedule: the encoder's rows exist for SEGMENT pixels at a time, in the cache. Lanes are sub-pixels (a row holds them
// side by side); per group one pass for the maximum and one that sums exp and exp * map, divided once: no kernel is
// ever stored. With the
// kernels stored in between, encode, softmax and sum of a 144x144 tile (16 channels, 4 groups, kUp 3, s 2) took 18.1
// ms, like this 5.7.
import { gemmWide, gemmWideScratch } from './gemm';
import { reassembleScratch, windowTable } from './reassemble';
import { madd } from './simd';

const SEGMENT: i32 = 40; // pixels; at 144 channels their rows are 23 kB

/**
 * Bytes of scratch: gemm's, SEGMENT rows (vectors are read past the last one), s^2 sums in whole vectors, the table of
 * reassemble.
 */
export function reassembleSumScratch(cIn: i32, s: i32, kUp: i32, groups: i32): usize {
  return gemmWideScratch(cIn) + rowsBytes(groups * kUp * kUp * s * s) + sumsBytes(s) + reassembleScratch(kUp);
}

// @ts-ignore: decorator
@inline
function rowsBytes(rowLength: i32): usize {
  return <usize>(SEGMENT * rowLength + 4) << 2;
}

// @ts-ignore: decorator
@inline
function sumsBytes(s: i32): usize {
  return <usize>(s * s + 3 & ~3) << 2;
}

/**
 * One row of w source pixels -> s rows of the output. `maps` holds kUp addresses: of each row of the window of the
 * first pixel, r pixels left of it; rows of base are `baseRow` bytes apart, of out `outRow`. Reads up to 4
 * pixels after the end of x.
 */
export function reassembleSum(
  x: usize, weights: usize, bias: usize, maps: usize, base: usize, baseRow: usize, out: usize, outRow: usize,
  scratch: usize, w: i32, cIn: i32, s: i32, kUp: i32, groups: i32,
): void {
  const subs = s * s;
  const taps = kUp * kUp;
  const pixelBytes: usize = <usize>cIn << 2;
  const rowLength = groups * taps * subs;
  const mapStep: usize = <usize>groups << 2;
  const rows = scratch + gemmWideScratch(cIn);
  const sums = rows + rowsBytes(rowLength);
  const table = sums + sumsBytes(s);
  windowTable(table, maps, kUp, mapStep);
  let window: usize = 0;
  for (let first = 0; first < w; first += SEGMENT) {
    const pixels = min(SEGMENT, w - first);
    gemmWide(x, weights, bias, rows, scratch, pixels, cIn, rowLength, pixelBytes, <usize>rowLength << 2);
    const column: usize = <usize>(first * s) << 2;
    if (s == 2) {
      inPairs(rows, window, mapStep, table, taps, base + column, baseRow, out + column, outRow, pixels);
    } else {
      let row = rows, map = window;
      for (let at = column, end = column + (<usize>(pixels * s) << 2); at < end; at += <usize>s << 2) {
        for (let sub = 0; sub < subs; sub += 4) {
          v128.store(
            sums + (<usize>sub << 2),
            fourSubPixels(row + (<usize>sub << 2), map, mapStep, table, taps, <usize>subs << 2),
          );
        }
        addRows(base + at, baseRow, out + at, outRow, sums, s);
        row += <usize>rowLength << 2;
        map += mapStep;
      }
    }
    window += mapStep * pixels;
    x += pixelBytes * pixels;
  }
}

/** A pixel's sums, s x s, onto base. */
function addRows(base: usize, baseRow: usize, out: usize, outRow: usize, sums: usize, s: i32): void {
  for (let sy = 0; sy < s; sy++) {
    for (let at: usize = 0, end: usize = <usize>s << 2; at < end; at += 4) {
      f32.store(out + at, f32.load(base + at) + f32.load(sums));
      sums += 4;
    }
    base += baseRow;
    out += outRow;
  }
}

// exp(x), x <= 0, of a softmax whose sum becomes a byte: up to a factor that cancels, (v^3 + P v + Q)^8 with
// v = x / 8 + S; within 5.5e-5 of exp(x), and 0 from the cubic's root on (x = -14.8). The coefficients have the least
// largest error. Three multiply-adds and three products, and few enough constants for registers.
const EXP = memory.data<f32>([
  0.125, 1.24759003, -0.60528948, 2.94255293, 2.00285946, // 1 / 8, S, the root, P, Q
], 16);

// @ts-ignore: decorator
@inline
function term(logit: v128, eighth: v128, shift: v128, root: v128, p: v128, q: v128): v128 {
  const v = f32x4.pmax(madd(logit, eighth, shift), root);
  const cubic = madd(madd(v, v, p), v, q);
  const square = f32x4.mul(cubic, cubic);
  const fourth = f32x4.mul(square, square);
  return f32x4.mul(fourth, fourth);
}

/** A group's taps, weighted by the softmax of their logits, for four sub-pixels. `row` and `map` are its first. */
// @ts-ignore: decorator
@inline
function weightedTaps(
  row: usize, map: usize, table: usize, tableEnd: usize, tapBytes: usize, groupBytes: usize,
  eighth: v128, root: v128, p: v128, q: v128,
): v128 {
  let max = v128.load(row), max1 = max; // two chains: taps are odd in number
  const next = row + groupBytes;
  for (let at = row + tapBytes; at < next; at += tapBytes * 2) {
    max = f32x4.pmax(max, v128.load(at));
    max1 = f32x4.pmax(max1, v128.load(at + tapBytes));
  }
  const shift = f32x4.sub(v128.load32_splat(EXP, 4), f32x4.mul(f32x4.pmax(max, max1), eighth));
  let sum = f32x4.splat(0), weighted = sum;
  for (let tap = table; tap < tableEnd; tap += 4) {
    const e = term(v128.load(row), eighth, shift, root, p, q);
    sum = f32x4.add(sum, e);
    weighted = madd(e, v128.load32_splat(map + load<usize>(tap)), weighted);
    row += tapBytes;
  }
  return f32x4.div(weighted, sum);
}

/** The sum over all groups for four sub-pixels; lanes past the last sub-pixel hold anything. */
function fourSubPixels(row: usize, window: usize, windowStep: usize, table: usize, taps: i32, tapBytes: usize): v128 {
  const eighth = v128.load32_splat(EXP), root = v128.load32_splat(EXP, 8);
  const p = v128.load32_splat(EXP, 12), q = v128.load32_splat(EXP, 16);
  const tableEnd = table + (<usize>taps << 2), groupBytes = tapBytes * taps;
  let total = f32x4.splat(0);
  for (const last = window + windowStep; window < last; window += 4) {
    total = f32x4.add(total, weightedTaps(row, window, table, tableEnd, tapBytes, groupBytes, eighth, root, p, q));
    row += groupBytes;
  }
  return total;
}

/**
 * The same for `pixels` pixels side by side that become 2 x 2 each, onto base: without a call for each of them, tiny
 * takes 3 % less.
 */
function inPairs(
  row: usize, window: usize, windowStep: usize, table: usize, taps: i32, base: usize, baseRow: usize,
  out: usize, outRow: usize, pixels: i32,
): void {
  const eighth = v128.load32_splat(EXP), root = v128.load32_splat(EXP, 8);
  const p = v128.load32_splat(EXP, 12), q = v128.load32_splat(EXP, 16);
  const tableEnd = table + (<usize>taps << 2), groupBytes = <usize>taps << 4;
  for (const end = base + (<usize>pixels << 3); base < end; base += 8) {
    let total = v128.load64_lane(base + baseRow, v128.load64_zero(base), 1);
    for (const last = window + windowStep; window < last; window += 4) {
      total = f32x4.add(total, weightedTaps(row, window, table, tableEnd, 16, groupBytes, eighth, root, p, q));
      row += groupBytes;
    }
    v128.store64_lane(out, total, 0);
    v128.store64_lane(out + outRow, total, 1);
    out += 8;
  }
}
