// normalizerGradient: what a loss changes by the logits, given what it changes by the kernels; the formulas are in the
// shader.
import file from '../../../shaders/normalizer-gradient.wgsl';
import type { Normalizer, Window } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('normalizer-gradient', file);

export function normalizerGradient(
  list: CommandList,
  logits: GpuTensor,
  kernels: GpuTensor,
  gradient: GpuTensor,
  { scale, kUp }: Window,
  normalizer: Normalizer,
): GpuTensor {
  const y = list.tensor(logits.shape, 'normalizerGradient output');
  const taps = kUp * kUp;
  const columns = elements(logits.shape) / taps;
  list.dispatch({
    shader: SHADER,
    entryPoint: 'normalizerGradient',
    constants: { NORMALIZER: SHADER.constant(normalizer) },
    params: { columns, taps, subs: scale * scale },
    inputs: [logits, kernels, gradient],
    outputs: [y],
    invocations: columns,
  });
  return y;
}
