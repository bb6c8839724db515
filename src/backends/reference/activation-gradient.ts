// activationGradient: gradient * activation'(sums): relu 1 above 0, else 0; leaky-relu 1 or the slope; silu
// s * (1 + v * (1 - s)), s = sigmoid(v); hardswish v / 3 + 1 / 2 between -3 and 3, 0 below, 1 above. All (n, h, w, c).
// f64.
import type { Activation } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function activationGradient(sums: Tensor, gradient: Tensor, activation: Activation, slope: number): Tensor {
  const data = gradient.data.map((g, i) => g * derivative(sums.data[i], activation, slope));
  return { data, shape: gradient.shape };
}

function derivative(v: number, activation: Activation, slope: number): number {
  switch (activation) {
    case 'none':
      return 1;
    case 'relu':
      return v > 0 ? 1 : 0;
    case 'leaky-relu':
      return v > 0 ? 1 : slope;
    case 'silu': {
      const s = 1 / (1 + Math.exp(-v));
      return s * (1 + v * (1 - s));
    }
    case 'hardswish':
      return v <= -3 ? 0 : v >= 3 ? 1 : v / 3 + 0.5;
  }
}
