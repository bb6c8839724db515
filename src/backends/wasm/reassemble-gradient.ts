// reassembleGradient: see assembly/reassemble-gradient.ts. Channels are padded so that no vector straddles two groups.
import { borderIndex } from '../../core/border.js';
import type { Padding, Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import { type GradientMachine, padded, unpadded } from './gradient-machine.js';

export function reassembleGradient(
  { kernels, arena, load, zeros }: GradientMachine,
  features: Tensor,
  rows: Tensor,
  gradient: Tensor,
  { scale, kUp, groups }: Window,
  padding: Padding,
): { features: Tensor; rows: Tensor } {
  const [n, h, w, channels] = features.shape;
  const perGroup = channels / groups;
  const [x, g] = [padded(features.data, perGroup), padded(gradient.data, perGroup)];
  const c = groups * Math.ceil(perGroup / 4) * 4;
  const [inputs, kernelRows, gradients] = [load(x), load(rows.data), load(g)];
  const [gFeatures, gRows] = [zeros(x.length), zeros(rows.data.length)];
  const r = (kUp - 1) / 2;
  const sources = [h, w].flatMap((size) =>
    Array.from({ length: size * kUp }, (_, i) => borderIndex(Math.floor(i / kUp) + (i % kUp) - r, size, padding)),
  );
  const table = arena.allocate(sources.length * 4);
  arena.i32(table, sources.length).set(sources);
  const [image, row, output] = [x.length / n, rows.data.length / n, g.length / n].map((length) => length * 4);
  for (let i = 0; i < n; i++)
    kernels.reassembleGradient(
      inputs + i * image,
      kernelRows + i * row,
      gradients + i * output,
      gFeatures + i * image,
      gRows + i * row,
      table,
      h,
      w,
      c,
      kUp,
      scale,
      groups,
    );
  return {
    features: { data: unpadded(arena.f32(gFeatures, x.length), perGroup), shape: features.shape },
    rows: { data: arena.f32(gRows, rows.data.length).slice(), shape: rows.shape },
  };
}
