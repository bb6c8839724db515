// conv2dGradient: see assembly/conv2d-gradient.ts. Channels are padded to whole vectors.
import { convGradientShape } from '../gradients.js';
import type { Tensor } from '../../core/tensor.js';
import { type GradientMachine, padded } from './gradient-machine.js';

export function conv2dGradient(
  { kernels, arena, load, zeros }: GradientMachine,
  x: Tensor,
  gradient: Tensor,
  k: number,
  dilation: number,
): { weights: Tensor; bias: Tensor } {
  const [n, h, w, channelsIn] = x.shape;
  const channelsOut = gradient.shape[3];
  const [cIn, cOut] = [channelsIn, channelsOut].map((c) => Math.ceil(c / 4) * 4);
  const [inputs, gradients] = [load(padded(x.data, channelsIn)), load(padded(gradient.data, channelsOut))];
  const taps = k * k;
  const byTap = zeros(taps * cIn * cOut);
  const sums = zeros(cOut);
  for (let i = 0; i < n; i++)
    kernels.conv2dGradient(
      inputs + i * h * w * cIn * 4,
      gradients + i * h * w * cOut * 4,
      byTap,
      sums,
      h,
      w,
      cIn,
      cOut,
      k,
      dilation,
    );
  const computed = arena.f32(byTap, taps * cIn * cOut);
  const weights = new Float32Array(channelsOut * channelsIn * taps);
  for (let co = 0; co < channelsOut; co++) {
    for (let ci = 0; ci < channelsIn; ci++) {
      for (let tap = 0; tap < taps; tap++)
        weights[(co * channelsIn + ci) * taps + tap] = computed[(tap * cIn + ci) * cOut + co];
    }
  }
  return {
    weights: { data: weights, shape: convGradientShape(x.shape, gradient.shape, k) },
    bias: { data: arena.f32(sums, cOut).slice(0, channelsOut), shape: [1, 1, 1, channelsOut] },
  };
}
