// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (n, h, w, groups*kUp^2*s^2) -> the same shape, [g][tap][sub-pixel] inside a row.
// CARAFE, arXiv:1905.02188, section 3.2 (kernel normalizer) and table 7 (normalizers compared). f64.
import type { Normalizer, Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function normalizeKernels(rows: Tensor, { scale, kUp }: Window, normalizer: Normalizer): Tensor {
  const taps = kUp * kUp;
  const subs = scale * scale;
  const y = new Float32Array(rows.data.length);
  const values = new Float64Array(taps);
  for (let group = 0; group < rows.data.length; group += taps * subs) {
    for (let sub = 0; sub < subs; sub++) {
      const first = group + sub;
      for (let tap = 0; tap < taps; tap++) values[tap] = rows.data[first + tap * subs];
      normalize(values, normalizer);
      for (let tap = 0; tap < taps; tap++) y[first + tap * subs] = values[tap];
    }
  }
  return { data: y, shape: rows.shape };
}

function normalize(values: Float64Array, normalizer: Normalizer): void {
  let max = -Infinity;
  for (const v of values) max = Math.max(max, v);
  if (normalizer === 'softmax') for (let i = 0; i < values.length; i++) values[i] = Math.exp(values[i] - max);
  else {
    // sigmoid(v) / exp(shift): the quotient is the same, and logits that are all very negative do not become 0 / 0.
    const shift = normalizer === 'sigmoid' ? 0 : Math.min(max, 0);
    for (let i = 0; i < values.length; i++) values[i] = 1 / (Math.exp(shift) + Math.exp(shift - values[i]));
  }
  if (normalizer === 'sigmoid') return;
  let sum = 0;
  for (const v of values) sum += v;
  for (let i = 0; i < values.length; i++) values[i] /= sum;
}
