// Seeded inputs, and the parameters of an operator shape. The same on every machine and in a browser.

import { Random, testImage } from '../test/random.js';

export { testImage };

/** Uniform in +-amplitude. */
export const values = (length, seed, amplitude = 1) => new Random(seed).values(length, -amplitude, amplitude);

const LOGITS = 4; // encoder weights as large as this times 1/sqrt(fan-in) give kernels with a few strong taps, as trained ones have

/** Weights as createCarafe takes them, and the features. @param {import('./shapes.js').OperatorShape} shape */
export function operatorData({ c, h, w, scale, kUp, kEnc, cMid, groups }) {
  const encoded = groups * (kUp * scale) ** 2;
  const tensor = (shape, seed, amplitude) => ({
    data: values(
      shape.reduce((p, s) => p * s),
      seed,
      amplitude,
    ),
    shape,
  });
  return {
    x: tensor([1, c, h, w], 1, 1),
    weights: {
      compress: { weights: tensor([cMid, c, 1, 1], 2, 1 / Math.sqrt(c)), bias: tensor([cMid], 3, 0.1) },
      encode: {
        weights: tensor([encoded, cMid, kEnc, kEnc], 4, LOGITS / Math.sqrt(cMid * kEnc ** 2)),
        bias: tensor([encoded], 5, 0.1),
      },
    },
  };
}

/**
 * How far a right f32 result may be from the f64 reference. With u = 2^-24 and the probabilistic constant 8 sqrt(K) for sums of
 * K terms (Higham and Mary 2019), the error of a logit is d <= 8 sqrt(K) u |w_enc|_1 (|w_comp|_1 max|x| + |b|), worst rows; a
 * softmax weight is then wrong by a factor of at most e^2d, and the weighted mean by that much of max|x|. exp and the division
 * add 16 u.
 */
export function operatorTolerance({ c, cMid, kEnc, kUp }, { x, weights: { compress, encode } }) {
  const u = 2 ** -24;
  const largest = (data) => data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  const row = ({ data, shape }) => {
    const length = data.length / shape[0];
    let max = 0;
    for (let i = 0; i < shape[0]; i++)
      max = Math.max(
        max,
        data.subarray(i * length, (i + 1) * length).reduce((sum, v) => sum + Math.abs(v), 0),
      );
    return max;
  };
  const compressed = row(compress.weights) * largest(x.data) + largest(compress.bias.data);
  const logit =
    8 * Math.sqrt(c + cMid * kEnc ** 2) * u * (row(encode.weights) * compressed + largest(encode.bias.data));
  return (Math.expm1(2 * logit) + (8 * kUp + 16) * u) * largest(x.data);
}

/** Grey, where luma alone is to be compared. */
export function greyImage(width, height) {
  const image = testImage(width, height);
  for (let i = 0; i < image.data.length; i += 4) image.data.fill(image.data[i], i, i + 3);
  return image;
}

export function largestDifference(a, b) {
  if (a.length !== b.length) return Infinity;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (!(d <= max)) max = d; // NaN counts
  }
  return max;
}
