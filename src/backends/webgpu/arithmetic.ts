// arithmetic: a + b, a * b, a / b, the smaller or the larger of both, value by value.
// a (n, h, w, c)   b (n, h, w, c), (n, h, w, 1) or a number -> (n, h, w, c).
import file from '../../../shaders/arithmetic.wgsl';
import { arithmeticShape } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { Arithmetic } from '../backend.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('arithmetic', file);

export function arithmetic(list: CommandList, a: GpuTensor, operation: Arithmetic, b: GpuTensor | number): GpuTensor {
  const number = typeof b === 'number';
  const shape = number ? a.shape : arithmeticShape(a.shape, b.shape);
  const y = list.tensor(shape, 'arithmetic output');
  const invocations = elements(shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'arithmetic',
    params: {
      invocations,
      per: number ? 0 : shape[3] / b.shape[3],
      operation: SHADER.constant(operation),
      value: number ? b : 0,
    },
    inputs: [a, number ? a : b],
    outputs: [y],
    invocations,
  });
  return y;
}
