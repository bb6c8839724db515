// winograd: a 3x3 convolution of stride and dilation 1 as conv2d.ts defines it, by F(4x4, 3x3):
//   Y = A^T [sum_ci (G g G^T) * (B^T d B)] A
// x (h, w, cIn)   y (h, w, cOut); blocks of 4x4 output pixels from 6x6 inputs, the grid begins at (0, 0). cIn is a
// multiple of 4.
// Points 0, +-5/8, +-3/2, infinity: a third of the error of 0, +-1, +-2, and twice that of plain sums (64 channels:
// 7.4e-6, 3.7e-6).
// Weights are G g G^T (f64, pack.ts) as gemm.ts wants them: [point][block][ci][8 or 4]. Lavin and Gray,
// arXiv:1509.09308; points after Barabasz et al., arXiv:1803.10986.
// Schedule: 144 products an output pixel and output vector become 36. A group of blocks is a GEMM tile. A batch of
// blocks goes through one row of 6 points at a time: transformed, multiplied (point by point, their weights stay in L1)
// and transformed half back before the next row. 64 -> 100 channels so: 5 % less of the whole operator than 32 output
// channels at a time, each with its own transform.
// 16 -> 16 channels at 144x144, five layers: 11.5 ms direct, 5.7 like this (Node 24, FMA), 25 and 7.6 (Node 20, no
// FMA).
import { TILE_CHANNELS, TILE_PIXELS, WINOGRAD_A, WINOGRAD_B } from '../src/backends/wasm/constants';
import { tile5x1, tile5x2 } from './gemm';
import { leaky, madd, storeLanes } from './simd';

// blocks at a time: weights are read once for them, and what they become stays in the cache
const BATCH: i32 = 6 * TILE_PIXELS;
const SKEW: usize = 64; // bytes between points, so that they do not fall on the same cache sets

const ZERO = memory.data(32, 16); // the bias of products

const A = <f32>WINOGRAD_A, A2 = A * A, B = <f32>WINOGRAD_B, B2 = B * B;

/** The constants of both transforms, four lanes each. */
const C = memory.data<f32>([
  A2 + B2, A2 + B2, A2 + B2, A2 + B2,
  A2 * B2, A2 * B2, A2 * B2, A2 * B2,
  A2, A2, A2, A2,
  B2, B2, B2, B2,
  A, A, A, A,
  B, B, B, B,
  A2 * A, A2 * A, A2 * A, A2 * A,
  B2 * B, B2 * B, B2 * B, B2 * B,
], 16);

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load(C + (i << 4));
}

/** c - a * b */
// @ts-ignore: decorator
@inline
function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/**
 * Bytes of scratch: of a batch the columns, a row of 6 points of the inputs and of the products, and the half
 * transformed products.
 */
export function winogradScratch(cIn: i32, cOut: i32): usize {
  const pixelBytes: usize = <usize>cIn << 2;
  const channelBytes: usize = <usize>(cOut + 3 & ~3) << 2;
  const points: usize = 6 * (pixelBytes * BATCH + SKEW) + 6 * (channelBytes * BATCH + SKEW);
  return pixelBytes * (36 * BATCH) + points + channelBytes * (24 * BATCH);
}

/**
 * `height` rows of `w` pixels, beginning on the grid. `rows` holds the addresses of the input rows -1 ..
 * 4*ceil(height/4), of zeros outside x, each 1 pixel left of the first output and readable for 4*ceil(w/4) + 2 pixels.
 * y = v >= 0 ? v : v * slope, + residual unless 0; rows of y are `yRow` bytes apart, of residual `residualRow`. Returns
 * whether every input was finite: one that is not spoils its whole block here.
 */
export function winograd(
  rows: usize, weights: usize, bias: usize, residual: usize, residualRow: usize, y: usize, yRow: usize, scratch: usize,
  height: i32, w: i32, cIn: i32, cOut: i32, slope: f32,
): bool {
  let rest = f32x4.splat(0); // stays 0 while all is finite
  const across = (w + 3) >> 2;
  const total = across * ((height + 3) >> 2);
  const pixelBytes: usize = <usize>cIn << 2;
  const inputStep = pixelBytes * BATCH + SKEW;
  const channels = (cOut + 3) & ~3;
  const channelBytes: usize = <usize>channels << 2;
  const productStep = channelBytes * BATCH + SKEW;
  const pointBytes = pixelBytes * channels;
  const columns = scratch;
  const inputs = columns + pixelBytes * (36 * BATCH);
  const products = inputs + 6 * inputStep;
  const halves = products + 6 * productStep;
  for (let first = 0; first < total; first += BATCH) {
    const blocks = min(BATCH, total - first);
    let to = columns;
    for (let done = 0; done < blocks;) { // a run is what lies in one row of blocks
      const tx = (first + done) % across;
      const run = min(across - tx, blocks - done);
      transformColumns(
        rows + (<usize>((first + done) / across) << 4), pixelBytes * (4 * tx), to, pixelBytes * (4 * run + 2),
      );
      to += pixelBytes * (6 * (4 * run + 2));
      done += run;
    }
    for (let i = 0; i < 6; i++) {
      let from = columns;
      for (let done = 0; done < blocks;) {
        const run = min(across - (first + done) % across, blocks - done);
        const line = pixelBytes * (4 * run + 2);
        transformRow(from + line * i, inputs + pixelBytes * done, inputStep, pixelBytes, run);
        from += line * 6;
        done += run;
      }
      multiply(
        inputs, weights + pointBytes * (6 * i), products, (blocks + TILE_PIXELS - 1) / TILE_PIXELS, cIn, channels,
        inputStep, productStep, pointBytes,
      );
      halfBack(products, productStep, halves + (channelBytes << 2) * i, channelBytes, blocks);
    }
    for (let i = 0; i < blocks; i++) {
      const ty = (first + i) / across;
      const tx = (first + i) % across;
      const column: usize = <usize>(4 * tx * cOut) << 2;
      rest = f32x4.add(rest, spoilt(halves + channelBytes * (24 * i), channelBytes));
      transformBack(
        halves + channelBytes * (24 * i), channelBytes, bias,
        residual ? residual + residualRow * (4 * ty) + column : 0, residualRow,
        y + yRow * (4 * ty) + column, yRow, min(4, height - 4 * ty), min(4, w - 4 * tx), <usize>cOut << 2, cOut, slope,
      );
    }
  }
  return !v128.any_true(f32x4.ne(rest, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
function transformSix(d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, to: usize, step: usize): void {
  const sum = constant(0), product = constant(1), a2 = constant(2), b2 = constant(3);
  v128.store(to, madd(product, d0, nmadd(sum, d2, d4)));
  let even = nmadd(b2, d2, d4);
  let odd = nmadd(b2, d1, d3);
  const a = constant(4), b = constant(5);
  v128.store(to + step, madd(a, odd, even));
  v128.store(to + step * 2, nmadd(a, odd, even));
  even = nmadd(a2, d2, d4);
  odd = nmadd(a2, d1, d3);
  v128.store(to + step * 3, madd(b, odd, even));
  v128.store(to + step * 4, nmadd(b, odd, even));
  v128.store(to + step * 5, madd(product, d1, nmadd(sum, d3, d5)));
}

/**
 * B^T down the columns of a run of blocks: `bytes` from `offset` on of the 6 rows whose addresses are at `rows` ->
 * columns [6][bytes].
 */
function transformColumns(rows: usize, offset: usize, columns: usize, bytes: usize): void {
  const shift = offset - columns;
  const r0 = load<usize>(rows) + shift, r1 = load<usize>(rows, 4) + shift, r2 = load<usize>(rows, 8) + shift;
  const r3 = load<usize>(rows, 12) + shift, r4 = load<usize>(rows, 16) + shift, r5 = load<usize>(rows, 20) + shift;
  for (let to = columns, end = columns + bytes; to < end; to += 16) {
    transformSix(
      v128.load(to + r0), v128.load(to + r1), v128.load(to + r2), v128.load(to + r3), v128.load(to + r4),
      v128.load(to + r5), to, bytes,
    );
  }
}

/** B along one row of a run of blocks, all channels -> one row of 6 points. */
function transformRow(columns: usize, to: usize, step: usize, pixelBytes: usize, run: i32): void {
  const p2 = pixelBytes * 2, p3 = pixelBytes * 3, p5 = pixelBytes * 5;
  for (let i = 0; i < run; i++) {
    for (let from = columns, end = columns + pixelBytes; from < end; from += 16) {
      transformSix(
        v128.load(from), v128.load(from + pixelBytes), v128.load(from + p2), v128.load(from + p3),
        v128.load(from + p2 + p2), v128.load(from + p5), to, step,
      );
      to += 16;
    }
    columns += p2 + p2;
  }
}

/**
 * products[point][block][channels] = inputs[point][block][cIn] * weights[point][cIn][channels] for one row of 6 points.
 */
function multiply(
  inputs: usize, weights: usize, products: usize, groups: i32, cIn: i32, channels: i32, inputStep: usize,
  productStep: usize, pointBytes: usize,
): void {
  const aStep: usize = <usize>cIn << 2, yStep: usize = <usize>channels << 2;
  for (let point = 0; point < 6; point++) {
    let b = weights;
    for (let co = 0; co < channels; co += TILE_CHANNELS) {
      const vectors = min(2, (channels - co) >> 2);
      const end = b + (<usize>(cIn * vectors) << 4);
      let from = inputs;
      let to = products + (<usize>co << 2);
      for (let group = 0; group < groups; group++) {
        if (vectors == 2) tile5x2(from, b, end, ZERO, to, aStep, yStep);
        else tile5x1(from, b, end, ZERO, to, aStep, yStep);
        from += aStep * TILE_PIXELS;
        to += yStep * TILE_PIXELS;
      }
      b = end;
    }
    weights += pointBytes;
    inputs += inputStep;
    products += productStep;
  }
}

/** A along one row of 6 points -> one row of 4 pixels of each block's halves [6][4][channels]. */
function halfBack(product: usize, step: usize, to: usize, channelBytes: usize, blocks: i32): void {
  const a2 = constant(2), b2 = constant(3), a = constant(4), b = constant(5), a3 = constant(6), b3 = constant(7);
  const s2 = step * 2, s3 = step * 3, s5 = step * 5, c2 = channelBytes * 2, c3 = channelBytes * 3;
  for (let i = 0; i < blocks; i++) {
    for (const end = product + channelBytes; product < end; product += 16) {
      const m1 = v128.load(product + step), m2 = v128.load(product + s2), m3 = v128.load(product + s3);
      const m4 = v128.load(product + s2 + s2);
      const evenA = f32x4.add(m1, m2), oddA = f32x4.sub(m1, m2), evenB = f32x4.add(m3, m4), oddB = f32x4.sub(m3, m4);
      v128.store(to, f32x4.add(f32x4.add(v128.load(product), evenA), evenB));
      v128.store(to + channelBytes, madd(b, oddB, f32x4.mul(a, oddA)));
      v128.store(to + c2, madd(b2, evenB, f32x4.mul(a2, evenA)));
      v128.store(to + c3, madd(b3, oddB, madd(a3, oddA, v128.load(product + s5))));
      to += 16;
    }
    to += channelBytes * 23;
  }
}

/**
 * 0 if the block's inputs were finite: each of them is in the first or the last column of the halves, in all channels,
 * hence in the first.
 */
function spoilt(halves: usize, channelBytes: usize): v128 {
  let sum = f32x4.splat(0);
  for (let row = 0; row < 6; row++) {
    sum = f32x4.add(sum, f32x4.add(v128.load(halves), v128.load(halves + channelBytes * 3)));
    halves += channelBytes << 2;
  }
  return f32x4.sub(sum, sum);
}

/**
 * A^T down the halves of one block, then bias, slope and residual; `lanes` channels and width x height pixels are
 * stored.
 */
function transformBack(
  halves: usize, channelBytes: usize, bias: usize, residual: usize, residualRow: usize, y: usize, yRow: usize,
  height: i32, width: i32, pixel: usize, lanes: i32, slope: f32,
): void {
  if (height == 4 && residual && <usize>lanes << 2 >= channelBytes) {
    wholeBack(halves, channelBytes, bias, residual, residualRow, y, yRow, width, pixel, slope);
    return;
  }
  const a2 = constant(2), b2 = constant(3), a = constant(4), b = constant(5), a3 = constant(6), b3 = constant(7);
  const factor = f32x4.splat(slope);
  const row = channelBytes << 2;
  for (let column = 0; column < width; column++) {
    let at: usize = 0;
    for (const end = halves + channelBytes; halves < end; halves += 16) {
      const start = v128.load(bias + at);
      const left = lanes - <i32>(at >> 2);
      let to = y + at;
      let from = residual ? residual + at : 0;
      const m1 = v128.load(halves + row), m2 = v128.load(halves + row * 2), m3 = v128.load(halves + row * 3);
      const m4 = v128.load(halves + row * 4);
      const evenA = f32x4.add(m1, m2), oddA = f32x4.sub(m1, m2), evenB = f32x4.add(m3, m4), oddB = f32x4.sub(m3, m4);
      finish(to, from, f32x4.add(f32x4.add(f32x4.add(v128.load(halves), evenA), evenB), start), factor, left);
      if (height > 1) {
        to += yRow; if (from) from += residualRow;
        finish(to, from, f32x4.add(madd(b, oddB, f32x4.mul(a, oddA)), start), factor, left);
      }
      if (height > 2) {
        to += yRow; if (from) from += residualRow;
        finish(to, from, f32x4.add(madd(b2, evenB, f32x4.mul(a2, evenA)), start), factor, left);
      }
      if (height > 3) {
        to += yRow; if (from) from += residualRow;
        finish(to, from, f32x4.add(madd(b3, oddB, madd(a3, oddA, v128.load(halves + row * 5))), start), factor, left);
      }
      at += 16;
    }
    y += pixel;
    if (residual) residual += pixel;
  }
}

/** The same with nothing to ask: four rows, all channels, a residual. */
function wholeBack(
  halves: usize, channelBytes: usize, bias: usize, residual: usize, residualRow: usize, y: usize, yRow: usize,
  width: i32, pixel: usize, slope: f32,
): void {
  const row = channelBytes << 2, row2 = row * 2, row3 = row * 3, row4 = row * 4, row5 = row * 5;
  const y2 = yRow * 2, y3 = yRow * 3;
  const factor = f32x4.splat(slope);
  const skip = pixel - channelBytes;
  for (let column = 0; column < width; column++) {
    let start = bias;
    for (const end = halves + channelBytes; halves < end; halves += 16) {
      const m1 = v128.load(halves + row), m2 = v128.load(halves + row2), m3 = v128.load(halves + row3);
      const m4 = v128.load(halves + row4);
      const evenA = f32x4.add(m1, m2), oddA = f32x4.sub(m1, m2), evenB = f32x4.add(m3, m4), oddB = f32x4.sub(m3, m4);
      const first = v128.load(start);
      let from = residual;
      let v = f32x4.add(f32x4.add(v128.load(halves), evenA), evenB);
      v128.store(y, f32x4.add(leaky(f32x4.add(v, first), factor), v128.load(from)));
      from += residualRow;
      v = madd(constant(5), oddB, f32x4.mul(constant(4), oddA));
      v128.store(y + yRow, f32x4.add(leaky(f32x4.add(v, first), factor), v128.load(from)));
      from += residualRow;
      v = madd(constant(3), evenB, f32x4.mul(constant(2), evenA));
      v128.store(y + y2, f32x4.add(leaky(f32x4.add(v, first), factor), v128.load(from)));
      from += residualRow;
      v = madd(constant(7), oddB, madd(constant(6), oddA, v128.load(halves + row5)));
      v128.store(y + y3, f32x4.add(leaky(f32x4.add(v, first), factor), v128.load(from)));
      start += 16;
      y += 16;
      residual += 16;
    }
    y += skip;
    residual += skip;
  }
}

// @ts-ignore: decorator
@inline
function finish(y: usize, residual: usize, v: v128, slope: v128, lanes: i32): void {
  v = leaky(v, slope);
  if (residual) v = f32x4.add(v, v128.load(residual));
  storeLanes(y, v, lanes);
}
