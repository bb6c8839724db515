// Convolution weights in the order the tiles of assembly/gemm.ts read them.
import type { ConvWeights } from '../backend.js';
import { TILE_CHANNELS, WINOGRAD_A, WINOGRAD_B } from './constants.js';

/**
 * weights (cOut, cIn, k, k) -> blocks of TILE_CHANNELS = 8 output channels, 4 in the last block if no more are left:
 * [block][kx][ky][ci][8 or 4], zeros where channels are missing; bias is padded to the same channels (zeros if there is
 * none).
 */
export function packConv({ weights, bias, cOut, cIn, k }: ConvWeights): { weights: Float32Array; bias: Float32Array } {
  const taps = k * k;
  const channels = Math.ceil(cOut / 4) * 4;
  const packed = new Float32Array(channels * cIn * taps);
  const packedBias = new Float32Array(channels);
  if (bias) packedBias.set(bias);
  let target = 0;
  for (let first = 0; first < cOut; first += TILE_CHANNELS) {
    const width = cOut - first > TILE_CHANNELS / 2 ? TILE_CHANNELS : TILE_CHANNELS / 2;
    for (let column = 0; column < taps; column++) {
      const tap = (column % k) * k + Math.floor(column / k); // [kx][ky] from [ky][kx]
      for (let ci = 0; ci < cIn; ci++) {
        for (let co = first; co < Math.min(first + width, cOut); co++)
          packed[target + co - first] = weights[(co * cIn + ci) * taps + tap];
        target += width;
      }
    }
  }
  return { weights: packed, bias: packedBias };
}

/** Weights (1 or 2, cIn, k, k) as narrow-conv.ts reads them: [2][ky][kx][ci]. */
export function packNarrow({ weights, cOut, cIn, k }: ConvWeights): Float32Array {
  const taps = k * k;
  const packed = new Float32Array(2 * taps * cIn);
  for (let i = 0; i < cOut * taps * cIn; i++) {
    const [co, ci, tap] = [Math.floor(i / (cIn * taps)), Math.floor(i / taps) % cIn, i % taps];
    packed[(co * taps + tap) * cIn + ci] = weights[i];
  }
  return packed;
}

/** Points of assembly/winograd.ts; the last one is infinity. */
const POINTS = [0, WINOGRAD_A, -WINOGRAD_A, WINOGRAD_B, -WINOGRAD_B];

/** G [6][3]: the row of point p is (1, p, p^2) / product of its differences to the other points. */
const G = [
  ...POINTS.map((p) => {
    const scale = POINTS.reduce((product, q) => (q === p ? product : product * (p - q)), 1);
    return [1 / scale, p / scale, (p * p) / scale];
  }),
  [0, 0, 1],
];

/**
 * Weights (cOut, cIn, 3, 3) as winograd.ts reads them: G g G^T, each of the 36 points packed like a 1x1 convolution.
 */
export function packWinograd({ weights, cOut, cIn }: ConvWeights): Float32Array {
  const at = new Float32Array(cOut * cIn);
  const points = Array.from({ length: 36 }, (_, point) => {
    const factors = G[Math.floor(point / 6)].flatMap((gy) => G[point % 6].map((gx) => gy * gx));
    for (let i = 0; i < at.length; i++) {
      let sum = 0;
      for (let tap = 0; tap < 9; tap++) sum += factors[tap] * weights[i * 9 + tap];
      at[i] = sum;
    }
    return packConv({ weights: at, cOut, cIn, k: 1 }).weights;
  });
  const packed = new Float32Array(36 * points[0].length);
  points.forEach((values, i) => packed.set(values, i * values.length));
  return packed;
}
