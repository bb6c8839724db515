// reassembleGradient: what a loss changes by the features and by the rows of a reassembly, given what it changes by its
// result; the formulas are in the shader.
import file from '../../../shaders/reassemble-gradient.wgsl';
import type { Padding, Window } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('reassemble-gradient', file);

export function reassembleGradient(
  list: CommandList,
  features: GpuTensor,
  rows: GpuTensor,
  gradient: GpuTensor,
  { scale, kUp, groups }: Window,
  padding: Padding,
): { features: GpuTensor; rows: GpuTensor } {
  const [, h, w, c] = features.shape;
  const flops = 2 * elements(gradient.shape) * kUp * kUp;
  const constants = { SCALE: scale, PADDING: SHADER.constant(padding) };
  const gather = (entryPoint: string, values: GpuTensor, like: GpuTensor): GpuTensor => {
    const y = list.tensor(like.shape, `${entryPoint} output`);
    const invocations = elements(like.shape);
    const params = { invocations, h, w, c, perGroup: c / groups, groups, kUp };
    list.dispatch({
      shader: SHADER,
      entryPoint,
      constants,
      params,
      inputs: [values, gradient],
      outputs: [y],
      invocations,
      flops,
    });
    return y;
  };
  return { features: gather('byFeatures', rows, features), rows: gather('byRows', features, rows) };
}
