// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (n, h, w, groups*kUp^2*s^2) -> the same shape, [g][tap][sub-pixel] inside a row.
import file from '../../../shaders/normalize-kernels.wgsl';
import type { Normalizer, Window } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import { Shader } from './shader.js';
import type { CommandList, GpuTensor } from './command-list.js';

const SHADER = new Shader('normalize-kernels', file);

export function normalizeKernels(
  list: CommandList,
  rows: GpuTensor,
  { scale, kUp }: Window,
  kind: Normalizer,
): GpuTensor {
  const y = list.tensor(rows.shape, 'normalizeKernels output');
  const taps = kUp * kUp;
  const columns = elements(rows.shape) / taps;
  list.dispatch({
    shader: SHADER,
    entryPoint: scale % 2 === 0 ? 'normalizeVec4' : 'normalizeScalar',
    constants: { NORMALIZER: SHADER.constant(kind) },
    params: { columns, taps, subs: scale * scale },
    inputs: [rows],
    outputs: [y],
    invocations: Math.ceil(columns / 4),
  });
  return y;
}
