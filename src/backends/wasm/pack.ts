// Convolution weights in the order the tiles of assembly/gemm.ts read them.
import type { ConvWeights } from '../backend.js';

/**
 * weights (cOut, cIn, k, k) -> blocks of 8 output channels, 4 in the last block if no more are left: [block][kx][ky][ci][8 or 4],
 * zeros where channels are missing; bias is padded to the same channels (zeros if there is none).
 */
export function packConv({ weights, bias, cOut, cIn, k }: ConvWeights): { weights: Float32Array; bias: Float32Array } {
  const taps = k * k;
  const channels = Math.ceil(cOut / 4) * 4;
  const packed = new Float32Array(channels * cIn * taps);
  const packedBias = new Float32Array(channels);
  if (bias) packedBias.set(bias);
  let target = 0;
  for (let first = 0; first < cOut; first += 8) {
    const width = cOut - first > 4 ? 8 : 4;
    for (let column = 0; column < taps; column++) {
      const tap = (column % k) * k + Math.floor(column / k); // [kx][ky] from [ky][kx]
      for (let ci = 0; ci < cIn; ci++) {
        for (let co = first; co < Math.min(first + width, cOut); co++) packed[target + co - first] = weights[(co * cIn + ci) * taps + tap];
        target += width;
      }
    }
  }
  return { weights: packed, bias: packedBias };
}
