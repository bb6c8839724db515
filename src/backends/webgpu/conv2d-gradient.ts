// conv2dGradient: what a loss changes by the parameters of a convolution, given what it changes by its result; the
// formulas are in the shader.
import file from '../../../shaders/conv2d-gradient.wgsl';
import type { Shape } from '../../core/tensor.js';
import { elements } from '../../core/tensor.js';
import { convGradientShape } from '../gradients.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('conv2d-gradient', file);

export function conv2dGradient(
  list: CommandList,
  x: GpuTensor,
  gradient: GpuTensor,
  k: number,
  dilation: number,
): { weights: GpuTensor; bias: GpuTensor } {
  const [n, h, w, cIn] = x.shape;
  const cOut = gradient.shape[3];
  const sums = (entryPoint: string, shape: Shape): GpuTensor => {
    const y = list.tensor(shape, `${entryPoint} output`);
    const invocations = elements(shape);
    list.dispatch({
      shader: SHADER,
      entryPoint,
      params: { invocations, n, h, w, cIn, cOut, k, dilation },
      inputs: [x, gradient],
      outputs: [y],
      invocations,
      flops: 2 * invocations * n * h * w,
    });
    return y;
  };
  return {
    weights: sums('byWeights', convGradientShape(x.shape, gradient.shape, k)),
    bias: sums('byBias', [1, 1, 1, cOut]),
  };
}
