// averagePool: means of windows that cover x, from floor(i*h/height) to ceil((i+1)*h/height) on each axis.
// x (n, h, w, c) -> (n, height, width, c). torch.nn.AdaptiveAvgPool2d.
import file from '../../../shaders/average-pool.wgsl';
import { elements, type Shape } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('average-pool', file);

export function averagePool(list: CommandList, x: GpuTensor, height: number, width: number): GpuTensor {
  const [n, h, w, c] = x.shape;
  const shape: Shape = [n, height, width, c];
  const y = list.tensor(shape, 'averagePool output');
  const invocations = elements(shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'averagePool',
    params: { invocations, h, w, c, height, width },
    inputs: [x],
    outputs: [y],
    invocations,
    flops: n * h * w * c,
  });
  return y;
}
