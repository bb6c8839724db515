// activationGradient: gradient * activation'(sums); the formulas are in the shader.
import file from '../../../shaders/activation-gradient.wgsl';
import type { Activation } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('activation-gradient', file);

export function activationGradient(
  list: CommandList,
  sums: GpuTensor,
  gradient: GpuTensor,
  activation: Activation,
  slope: number,
): GpuTensor {
  if (activation === 'none') return gradient;
  const y = list.tensor(sums.shape, 'activationGradient output');
  const invocations = elements(sums.shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'activationGradient',
    constants: { ACTIVATION: SHADER.constant(activation) },
    params: { invocations, slope },
    inputs: [sums, gradient],
    outputs: [y],
    invocations,
  });
  return y;
}
