// normalizerGradient: what a loss changes by the logits, given what it changes by the kernels k (gradient g):
//   softmax k * (g - sum(g * k)); sigmoid k * (1 - k) * g;
//   sigmoid-normalized k * (1 - sigmoid(v)) * (g - sum(g * k)); sums over the kUp^2 taps.
// logits v, kernels, gradient (n, h, w, groups*kUp^2*s^2), [g][tap][sub-pixel] inside a row. f64.
import type { Normalizer, Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function normalizerGradient(
  logits: Tensor,
  kernels: Tensor,
  gradient: Tensor,
  { scale, kUp }: Window,
  normalizer: Normalizer,
): Tensor {
  const taps = kUp * kUp;
  const subs = scale * scale;
  const y = new Float32Array(logits.data.length);
  for (let group = 0; group < y.length; group += taps * subs) {
    for (let first = group; first < group + subs; first++) {
      let sum = 0;
      if (normalizer !== 'sigmoid')
        for (let i = first; i < first + taps * subs; i += subs) sum += gradient.data[i] * kernels.data[i];
      for (let i = first; i < first + taps * subs; i += subs) {
        const k = kernels.data[i];
        const own = { softmax: 1, sigmoid: 1 - k, 'sigmoid-normalized': 1 / (1 + Math.exp(logits.data[i])) }[
          normalizer
        ];
        y[i] = k * own * (gradient.data[i] - sum);
      }
    }
  }
  return { data: y, shape: logits.shape };
}
