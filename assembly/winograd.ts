// winograd: a 3x3 convolution of stride and dilation 1 as conv2d.ts defines it, by F(4x4, 3x3): Y = A^T [sum_ci (G g G^T) * (B^T d B)] A
// x (h, w, cIn)   y (h, w, cOut); blocks of 4x4 output pixels from 6x6 inputs, the grid begins at (0, 0). cIn is a multiple of 4.
// Points 0, +-5/8, +-3/2, infinity: a third of the error of 0, +-1, +-2, and twice that of plain sums (64 channels: 7.4e-6, 3.7e-6).
// Weights are G g G^T (f64, pack.ts) as gemm.ts wants them: [point][block][ci][8 or 4]. Lavin and Gray, arXiv:1509.09308; points after Barabasz et al., arXiv:1803.10986.
// Schedule: 144 products an output pixel and output vector become 36. Five blocks make a group, a GEMM tile's height; a batch of groups is
// transformed, multiplied point by point (its weights stay in L1) and transformed back for 32 output channels at a time, all within L2.
// 16 -> 16 channels at 144x144, five layers: 11.5 ms direct, 5.7 like this (Node 24, FMA), 25 and 7.6 (Node 20, no FMA).
import { tile5x1, tile5x2 } from './gemm';
import { madd, storeLanes } from './simd';

const BLOCKS: i32 = 5; // in a group
const RANGE: i32 = 32; // output channels
const SKEW: usize = 64; // bytes between points, so that 36 of them do not fall on the same cache sets

const ZERO = memory.data(32, 16); // the bias of products

const C = memory.data<f32>([
  2.640625, 2.640625, 2.640625, 2.640625, // a^2 + b^2
  0.87890625, 0.87890625, 0.87890625, 0.87890625, // a^2 b^2
  0.390625, 0.390625, 0.390625, 0.390625, // a^2
  2.25, 2.25, 2.25, 2.25, // b^2
  0.625, 0.625, 0.625, 0.625, // a
  1.5, 1.5, 1.5, 1.5, // b
  0.244140625, 0.244140625, 0.244140625, 0.244140625, // a^3
  3.375, 3.375, 3.375, 3.375, // b^3
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
 * `height` rows of `w` pixels, beginning on the grid. `rows` holds the addresses of the input rows -1 .. 4*ceil(height/4), of zeros outside x,
 * each 1 pixel left of the first output and readable for 4*ceil(w/4) + 2 pixels. y = v >= 0 ? v : v * slope, + residual unless 0; rows of y are
 * `yRow` bytes apart, of residual `residualRow`. Scratch: `columns` 6 rows of 4*ceil(w/4) + 2 pixels, `inputs` groups * 36 *
 * (5 * cIn * 4 + 64) bytes, `products` the same with min(cOut rounded up to 4, 32) for cIn, `block` 24 vectors.
 */
export function winograd(
  rows: usize, weights: usize, bias: usize, residual: usize, residualRow: usize, y: usize, yRow: usize, columns: usize, inputs: usize, products: usize, block: usize,
  height: i32, w: i32, cIn: i32, cOut: i32, groups: i32, slope: f32,
): void {
  const across = (w + 3) >> 2;
  const total = across * ((height + 3) >> 2);
  const pixelBytes: usize = <usize>cIn << 2;
  const columnsRow = pixelBytes * (4 * across + 2);
  const inputStep = pixelBytes * BLOCKS + SKEW;
  const paddedOut = (cOut + 3) & ~3;
  for (let first = 0; first < total; first += groups * BLOCKS) {
    const blocks = min(groups * BLOCKS, total - first);
    for (let i = 0; i < blocks; i++) {
      const tx = (first + i) % across;
      if (tx == 0 || first + i == 0) transformColumns(rows + (<usize>((first + i) / across) << 4), columns, columnsRow);
      transformRows(columns + pixelBytes * (4 * tx), columnsRow, inputs + inputStep * (36 * (i / BLOCKS)) + pixelBytes * (i % BLOCKS), inputStep, pixelBytes);
    }
    let rangeWeights = weights;
    for (let co = 0; co < paddedOut; co += RANGE) {
      const channels = min(RANGE, paddedOut - co);
      const channelBytes: usize = <usize>channels << 2;
      const productStep = channelBytes * BLOCKS + SKEW;
      multiply(inputs, rangeWeights, products, (blocks + BLOCKS - 1) / BLOCKS, cIn, channels, inputStep, productStep, <usize>(cIn * paddedOut) << 2);
      rangeWeights += channelBytes * cIn;
      for (let i = 0; i < blocks; i++) {
        const ty = (first + i) / across;
        const tx = (first + i) % across;
        const column: usize = <usize>(4 * tx * cOut + co) << 2;
        const product = products + productStep * (36 * (i / BLOCKS)) + channelBytes * (i % BLOCKS);
        for (let c = 0; c < channels; c += 4) {
          const offset: usize = <usize>c << 2;
          transformBack(product + offset, productStep, bias + (<usize>co << 2) + offset, residual ? residual + residualRow * (4 * ty) + column + offset : 0, residualRow,
            y + yRow * (4 * ty) + column + offset, yRow, block, min(4, height - 4 * ty), min(4, w - 4 * tx), <usize>cOut << 2, cOut - co - c, slope);
        }
      }
    }
  }
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

/** B^T down all columns of a row of blocks, from the 6 rows whose addresses are at `rows` -> columns [6][4*across + 2][cIn]. */
function transformColumns(rows: usize, columns: usize, step: usize): void {
  const r0 = load<usize>(rows) - columns, r1 = load<usize>(rows, 4) - columns, r2 = load<usize>(rows, 8) - columns;
  const r3 = load<usize>(rows, 12) - columns, r4 = load<usize>(rows, 16) - columns, r5 = load<usize>(rows, 20) - columns;
  for (let to = columns, end = columns + step; to < end; to += 16) {
    transformSix(v128.load(to + r0), v128.load(to + r1), v128.load(to + r2), v128.load(to + r3), v128.load(to + r4), v128.load(to + r5), to, step);
  }
}

/** B along the rows of one block, all channels -> 36 points. */
function transformRows(columns: usize, columnsRow: usize, to: usize, step: usize, pixelBytes: usize): void {
  for (let i = 0; i < 6; i++) {
    const end = columns + pixelBytes;
    let point = to;
    for (let from = columns; from < end; from += 16) {
      transformSix(v128.load(from), v128.load(from + pixelBytes), v128.load(from + pixelBytes * 2), v128.load(from + pixelBytes * 3), v128.load(from + pixelBytes * 4), v128.load(from + pixelBytes * 5), point, step);
      point += 16;
    }
    columns += columnsRow;
    to += step * 6;
  }
}

/** products[group][point][block][channels] = inputs[group][point][block][cIn] * weights[point][cIn][channels]. */
function multiply(inputs: usize, weights: usize, products: usize, groups: i32, cIn: i32, channels: i32, inputStep: usize, productStep: usize, pointBytes: usize): void {
  for (let point = 0; point < 36; point++) {
    let b = weights;
    for (let co = 0; co < channels; co += 8) {
      const vectors = min(2, (channels - co) >> 2);
      const end = b + (<usize>(cIn * vectors) << 4);
      let from = inputs;
      let to = products + (<usize>co << 2);
      for (let group = 0; group < groups; group++) {
        if (vectors == 2) tile5x2(from, b, end, ZERO, to, <usize>cIn << 2, <usize>channels << 2);
        else tile5x1(from, b, end, ZERO, to, <usize>cIn << 2, <usize>channels << 2);
        from += inputStep * 36;
        to += productStep * 36;
      }
      b = end;
    }
    weights += pointBytes;
    inputs += inputStep;
    products += productStep;
  }
}

/** A^T M A for one block and 4 channels, then bias, slope and residual; `lanes` channels and width x height pixels are stored. */
function transformBack(
  product: usize, step: usize, bias: usize, residual: usize, residualRow: usize, y: usize, yRow: usize, block: usize,
  height: i32, width: i32, yStep: usize, lanes: i32, slope: f32,
): void {
  const a2 = constant(2), b2 = constant(3), a = constant(4), b = constant(5), a3 = constant(6), b3 = constant(7);
  for (let column: usize = 0; column < 96; column += 16) {
    const m1 = v128.load(product + step * 6), m2 = v128.load(product + step * 12), m3 = v128.load(product + step * 18), m4 = v128.load(product + step * 24);
    const evenA = f32x4.add(m1, m2), oddA = f32x4.sub(m1, m2), evenB = f32x4.add(m3, m4), oddB = f32x4.sub(m3, m4);
    v128.store(block + column, f32x4.add(f32x4.add(v128.load(product), evenA), evenB));
    v128.store(block + column, madd(b, oddB, f32x4.mul(a, oddA)), 96);
    v128.store(block + column, madd(b2, evenB, f32x4.mul(a2, evenA)), 192);
    v128.store(block + column, madd(b3, oddB, madd(a3, oddA, v128.load(product + step * 30))), 288);
    product += step;
  }
  const start = v128.load(bias);
  const factor = f32x4.splat(slope);
  for (let row = 0; row < height; row++) {
    const m1 = v128.load(block, 16), m2 = v128.load(block, 32), m3 = v128.load(block, 48), m4 = v128.load(block, 64);
    const evenA = f32x4.add(m1, m2), oddA = f32x4.sub(m1, m2), evenB = f32x4.add(m3, m4), oddB = f32x4.sub(m3, m4);
    finish(y, residual, f32x4.add(f32x4.add(f32x4.add(v128.load(block), evenA), evenB), start), factor, lanes);
    if (width > 1) finish(y + yStep, residual ? residual + yStep : 0, f32x4.add(madd(b, oddB, f32x4.mul(a, oddA)), start), factor, lanes);
    if (width > 2) finish(y + yStep * 2, residual ? residual + yStep * 2 : 0, f32x4.add(madd(b2, evenB, f32x4.mul(a2, evenA)), start), factor, lanes);
    if (width > 3) finish(y + yStep * 3, residual ? residual + yStep * 3 : 0, f32x4.add(madd(b3, oddB, madd(a3, oddA, v128.load(block, 80))), start), factor, lanes);
    block += 96;
    y += yRow;
    if (residual) residual += residualRow;
  }
}

// @ts-ignore: decorator
@inline
function finish(y: usize, residual: usize, v: v128, slope: v128, lanes: i32): void {
  const zero = f32x4.splat(0);
  v = f32x4.add(f32x4.pmax(v, zero), f32x4.mul(f32x4.pmin(v, zero), slope));
  if (residual) v = f32x4.add(v, v128.load(residual));
  storeLanes(y, v, lanes);
}
