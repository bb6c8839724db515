// normalizerGradient: see assembly/normalizer-gradient.ts.
import type { Normalizer, Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import type { GradientMachine } from './gradient-machine.js';
import { NORMALIZERS } from './normalize-kernels.js';

export function normalizerGradient(
  { kernels: wasm, arena, load, zeros }: GradientMachine,
  logits: Tensor,
  kernels: Tensor,
  gradient: Tensor,
  { scale, kUp }: Window,
  normalizer: Normalizer,
): Tensor {
  const { length } = logits.data;
  const [v, k, g] = [logits, kernels, gradient].map(({ data }) => load(data));
  const y = zeros(length);
  const [taps, subs] = [kUp * kUp, scale * scale];
  wasm.normalizerGradient(v, k, g, y, length / (taps * subs), taps, subs, NORMALIZERS[normalizer]);
  return { data: arena.f32(y, length).slice(), shape: logits.shape };
}
