// projectionError: by how much an enlargement, shrunk again, misses its source.
// big (n, h*s, w*s, 1)   gains (n, h, w, 2)   small (n, h, w, 1)   errors (n, h, w, 1); the formula is in the shader.
import file from '../../../shaders/projection-error.wgsl';
import { elements, type Shape } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('projection-error', file);

export function projectionError(
  list: CommandList,
  big: GpuTensor,
  gains: GpuTensor,
  small: GpuTensor,
  strength: number,
): GpuTensor {
  const [n, h, w] = small.shape;
  const [, height] = big.shape;
  const dispatch = (entryPoint: string, inputs: GpuTensor[], shape: Shape, label: string): GpuTensor => {
    const output = list.tensor(shape, label);
    const invocations = elements(shape);
    const params = { invocations, h, w, scale: height / h, strength };
    list.dispatch({ shader: SHADER, entryPoint, constants: {}, params, inputs, outputs: [output], invocations });
    return output;
  };
  const narrow = dispatch('shrinkRows', [big, gains], [n, height, w, 1], 'narrow');
  const errors = dispatch('projectionError', [narrow, small], small.shape, 'errors');
  list.free(narrow);
  return errors;
}
