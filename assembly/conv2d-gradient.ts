// conv2dGradient, of one image, added to what is there: weights[tap][ci][co] += sum over pixels of
// gradient[oy, ox, co] * x[oy+(ky-r)d, ox+(kx-r)d, ci]; bias[co] += sum of gradient[oy, ox, co].
// x (h, w, cIn)   gradient (h, w, cOut), both of whole vectors of 4 channels.
// Reference: src/backends/reference/conv2d-gradient.ts.
// Schedule: row by row, so that x and gradient stay in the cache for all tiles; tiles of 4 inputs x 8 outputs (4 where
// no more are left) stay in registers over the pixels of a row.
import { madd } from './simd';

export function conv2dGradient(
  x: usize, gradient: usize, weights: usize, bias: usize, h: i32, w: i32, cIn: i32, cOut: i32, k: i32, dilation: i32,
): void {
  const r = (k - 1) / 2;
  for (let y = 0; y < h; y++) {
    for (let tap = 0; tap < k * k; tap++) {
      const dy = (tap / k - r) * dilation;
      const dx = (tap % k - r) * dilation;
      if (y + dy < 0 || y + dy >= h) continue;
      const left = max(0, -dx);
      const count = min(w, w - dx) - left;
      const gradients = gradient + (<usize>((y * w + left) * cOut) << 2);
      const inputs = x + (<usize>(((y + dy) * w + left + dx) * cIn) << 2);
      for (let ci = 0; ci < cIn; ci += 4) {
        let to = weights + (<usize>((tap * cIn + ci) * cOut) << 2);
        const v = inputs + (<usize>ci << 2);
        for (let co = 0; co < cOut; ) {
          const g = gradients + (<usize>co << 2);
          if (co + 8 <= cOut) {
            tile8(v, g, to, count, cIn, cOut);
            co += 8;
            to += 32;
          } else {
            tile4(v, g, to, count, cIn, cOut);
            co += 4;
            to += 16;
          }
        }
      }
    }
  }
  for (let pixel = 0; pixel < h * w; pixel++) {
    for (let co: usize = 0; co < <usize>cOut << 2; co += 16)
      v128.store(bias + co, f32x4.add(v128.load(bias + co), v128.load(gradient + (<usize>(pixel * cOut) << 2) + co)));
  }
}

function tile8(v: usize, g: usize, to: usize, count: i32, cIn: i32, cOut: i32): void {
  const row: usize = <usize>cOut << 2;
  let a0 = v128.load(to), b0 = v128.load(to, 16);
  let a1 = v128.load(to + row), b1 = v128.load(to + row, 16);
  let a2 = v128.load(to + 2 * row), b2 = v128.load(to + 2 * row, 16);
  let a3 = v128.load(to + 3 * row), b3 = v128.load(to + 3 * row, 16);
  for (let pixel = 0; pixel < count; pixel++) {
    const ga = v128.load(g);
    const gb = v128.load(g, 16);
    const v0 = v128.load32_splat(v);
    const v1 = v128.load32_splat(v, 4);
    const v2 = v128.load32_splat(v, 8);
    const v3 = v128.load32_splat(v, 12);
    a0 = madd(v0, ga, a0);
    b0 = madd(v0, gb, b0);
    a1 = madd(v1, ga, a1);
    b1 = madd(v1, gb, b1);
    a2 = madd(v2, ga, a2);
    b2 = madd(v2, gb, b2);
    a3 = madd(v3, ga, a3);
    b3 = madd(v3, gb, b3);
    g += row;
    v += <usize>cIn << 2;
  }
  v128.store(to, a0);
  v128.store(to, b0, 16);
  v128.store(to + row, a1);
  v128.store(to + row, b1, 16);
  v128.store(to + 2 * row, a2);
  v128.store(to + 2 * row, b2, 16);
  v128.store(to + 3 * row, a3);
  v128.store(to + 3 * row, b3, 16);
}

function tile4(v: usize, g: usize, to: usize, count: i32, cIn: i32, cOut: i32): void {
  const row: usize = <usize>cOut << 2;
  let a0 = v128.load(to);
  let a1 = v128.load(to + row);
  let a2 = v128.load(to + 2 * row);
  let a3 = v128.load(to + 3 * row);
  for (let pixel = 0; pixel < count; pixel++) {
    const ga = v128.load(g);
    a0 = madd(v128.load32_splat(v), ga, a0);
    a1 = madd(v128.load32_splat(v, 4), ga, a1);
    a2 = madd(v128.load32_splat(v, 8), ga, a2);
    a3 = madd(v128.load32_splat(v, 12), ga, a3);
    g += row;
    v += <usize>cIn << 2;
  }
  v128.store(to, a0);
  v128.store(to + row, a1);
  v128.store(to + 2 * row, a2);
  v128.store(to + 3 * row, a3);
}
