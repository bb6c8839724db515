// narrowConv: conv2d.ts's convolution to one or two channels: without dilation, activation and residual.
// x (h, w, cIn)   y (h, w, cOut); cIn is a multiple of 4, cOut 1 or 2. weights [2][ky][kx][ci], zeros where a channel
// is missing, and two biases. Reference: src/backends/reference/conv2d.ts
// Schedule: lanes are input channels, since a vector of output channels would be half empty; so a pixel's window is k
// runs of k*cIn floats. Four pixels side by side share the weights, and their lanes are added up at the end.
import { madd, storeSome } from './simd';

/**
 * `pixels` pixels of one row. `rows` holds k addresses, as those of conv2d(); the rows need 4 * cIn readable floats
 * after their end.
 */
export function narrowConv(
  rows: usize, weights: usize, bias: usize, y: usize, pixels: i32, cIn: i32, cOut: i32, k: i32,
): void {
  const pixel: usize = <usize>cIn << 2;
  let offset: usize = 0;
  for (; pixels > 0; pixels -= 4) {
    fourPixels(rows, offset, weights, bias, y, pixels, pixel, cOut, k);
    offset += pixel << 2;
    y += <usize>cOut << 4;
  }
}

function fourPixels(
  rows: usize, offset: usize, weights: usize, bias: usize, y: usize, pixels: i32, pixel: usize, cOut: i32, k: i32,
): void {
  const run = pixel * k, second = run * k, p2 = pixel * 2, p3 = pixel * 3;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (const lastRow = rows + (<usize>k << 2); rows < lastRow; rows += 4) {
    let from = load<usize>(rows) + offset;
    for (const end = from + run; from < end; from += 16) {
      const wa = v128.load(weights), wb = v128.load(weights + second);
      let v = v128.load(from);
      a0 = madd(v, wa, a0);
      b0 = madd(v, wb, b0);
      v = v128.load(from + pixel);
      a1 = madd(v, wa, a1);
      b1 = madd(v, wb, b1);
      v = v128.load(from + p2);
      a2 = madd(v, wa, a2);
      b2 = madd(v, wb, b2);
      v = v128.load(from + p3);
      a3 = madd(v, wa, a3);
      b3 = madd(v, wb, b3);
      weights += 16;
    }
  }
  const a = f32x4.add(v128.load32_splat(bias), sums(a0, a1, a2, a3));
  if (cOut == 1) {
    storeSome(y, a, pixels);
    return;
  }
  const b = f32x4.add(v128.load32_splat(bias, 4), sums(b0, b1, b2, b3));
  storeSome(y, v128.shuffle<f32>(a, b, 0, 4, 1, 5), pixels * 2);
  if (pixels > 2) storeSome(y + 16, v128.shuffle<f32>(a, b, 2, 6, 3, 7), pixels * 2 - 4);
}

/** The sum of each one's lanes. */
// @ts-ignore: decorator
@inline
function sums(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  const first = f32x4.add(v128.shuffle<f32>(v0, v1, 0, 4, 1, 5), v128.shuffle<f32>(v0, v1, 2, 6, 3, 7));
  const last = f32x4.add(v128.shuffle<f32>(v2, v3, 0, 4, 1, 5), v128.shuffle<f32>(v2, v3, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(first, last, 0, 1, 4, 5), v128.shuffle<f32>(first, last, 2, 3, 6, 7));
}
