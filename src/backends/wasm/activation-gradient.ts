// activationGradient: see assembly/activation-gradient.ts.
import type { Activation } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import { ANY_SLOPE, HARDSWISH, SILU } from './constants.js';
import type { GradientMachine } from './gradient-machine.js';

export function activationGradient(
  { kernels, arena, load, zeros }: GradientMachine,
  sums: Tensor,
  gradient: Tensor,
  activation: Activation,
  slope: number,
): Tensor {
  if (activation === 'none') return gradient;
  const { length } = sums.data;
  const [v, g] = [load(sums.data), load(gradient.data)];
  const y = zeros(length);
  const curve = activation === 'silu' ? SILU : activation === 'hardswish' ? HARDSWISH : ANY_SLOPE;
  kernels.activationGradient(v, g, y, length, curve, activation === 'relu' ? 0 : slope);
  return { data: arena.f32(y, length).slice(), shape: sums.shape };
}
