// The worst error of a 3x3 convolution by Winograd's F(4x4, 3x3), Y = A^T [sum_ci (G g G^T) * (B^T d B)] A: every
// product and sum of the three transforms is replaced by its magnitude, so that what cancels in the value does not
// cancel here. The matrices are Toom-Cook's for the points below, built from their definition and not from the
// backend's code.
import type { ConvWeights } from '../../src/backends/backend.js';
import type { Tensor } from '../../src/core/tensor.js';

const POINTS = [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2]; // and infinity

/** Coefficients of the product of (x - root), lowest first. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce(
    (coefficients, root) =>
      [...coefficients, 0].map((_, i) => (coefficients[i - 1] ?? 0) - root * (coefficients[i] ?? 0)),
    [1],
  );
}

const others = (p: number): number[] => POINTS.filter((q) => q !== p);
const AT = [0, 1, 2, 3].map((power) => [...POINTS.map((p) => p ** power), power === 3 ? 1 : 0]); // [4][6]
const G = [
  ...POINTS.map((p) => [0, 1, 2].map((power) => p ** power / others(p).reduce((product, q) => product * (p - q), 1))),
  [0, 0, 1],
]; // [6][3]
const BT = [...POINTS.map((p) => [...polynomial(others(p)), 0]), polynomial(POINTS)]; // [6][6]
const [ATMagnitude, BTMagnitude] = [AT, BT].map((matrix) => matrix.map((row) => row.map(Math.abs)));

/** left [r][k] * x [k][k] * left^T -> [r][r] */
function sandwich(left: readonly (readonly number[])[], x: readonly (readonly number[])[]): number[][] {
  const half = left.map((row) => x[0].map((_, j) => row.reduce((sum, value, k) => sum + value * x[k][j], 0)));
  return half.map((row) => left.map((other) => other.reduce((sum, value, k) => sum + value * row[k], 0)));
}

/**
 * Magnitudes of what is summed for each output: x (n, h, w, cIn) holds magnitudes -> (n, h, w, cOut), without the bias.
 */
export function winogradMagnitudes(
  { data, shape: [n, h, w, cIn] }: Tensor,
  { weights, cOut }: ConvWeights,
): Float64Array {
  const points = Array.from({ length: cOut * cIn }, (_, i) =>
    sandwich(
      G,
      [0, 1, 2].map((ky) => [...weights.subarray(i * 9 + ky * 3, i * 9 + ky * 3 + 3)]),
    )
      .flat()
      .map(Math.abs),
  );
  const total = new Float64Array(n * h * w * cOut);
  for (let i = 0; i < n; i++) {
    for (let y = 0; y < h; y += 4) {
      for (let x = 0; x < w; x += 4) {
        const inputs = Array.from({ length: cIn }, (_, ci) =>
          sandwich(
            BTMagnitude,
            [0, 1, 2, 3, 4, 5].map((dy) =>
              [0, 1, 2, 3, 4, 5].map((dx) => {
                const [iy, ix] = [y + dy - 1, x + dx - 1];
                return iy < 0 || iy >= h || ix < 0 || ix >= w ? 0 : data[((i * h + iy) * w + ix) * cIn + ci];
              }),
            ),
          ).flat(),
        );
        for (let co = 0; co < cOut; co++) {
          const sums = Array.from({ length: 36 }, (_, point) =>
            inputs.reduce((sum, values, ci) => sum + values[point] * points[co * cIn + ci][point], 0),
          );
          const block = sandwich(
            ATMagnitude,
            [0, 6, 12, 18, 24, 30].map((row) => sums.slice(row, row + 6)),
          );
          for (let dy = 0; dy < Math.min(4, h - y); dy++)
            for (let dx = 0; dx < Math.min(4, w - x); dx++)
              total[((i * h + y + dy) * w + x + dx) * cOut + co] = block[dy][dx];
        }
      }
    }
  }
  return total;
}
