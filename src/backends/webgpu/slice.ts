// slice: out[n, y, x, c] = x[n, area.y + y*step, area.x + x*step, c]
// x (n, h, w, c) -> (n, area.height, area.width, c).
import file from '../../../shaders/slice.wgsl';
import { sliceShape } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { Rectangle } from '../backend.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('slice', file);

export function slice(list: CommandList, x: GpuTensor, area: Rectangle, step: number): GpuTensor {
  const shape = sliceShape(x.shape, area, step);
  const [, h, w, c] = x.shape;
  const y = list.tensor(shape, 'slice output');
  const invocations = elements(shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'slice',
    params: { invocations, h, w, c, top: area.y, left: area.x, height: area.height, width: area.width, step },
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}
