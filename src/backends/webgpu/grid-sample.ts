// gridSample: x where each output pixel says, bilinear, edges replicated.
// x (n, h, w, c)   offsets (n, H, W, 2*groups), horizontal then vertical -> (n, H, W, c); a position is
// (ox + 0.5) * w/W - 0.5 + offset, clamped to 0..w-1. torch F.grid_sample(align_corners=False, padding_mode='border').
import file from '../../../shaders/grid-sample.wgsl';
import { gridSampleShape } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('grid-sample', file);

export function gridSample(list: CommandList, x: GpuTensor, offsets: GpuTensor, groups: number): GpuTensor {
  const shape = gridSampleShape(x.shape, offsets.shape, groups);
  const [, h, w, c] = x.shape;
  const [, height, width] = shape;
  const y = list.tensor(shape, 'gridSample output');
  const invocations = elements(shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'gridSample',
    params: { invocations, h, w, c, height, width, groups },
    inputs: [x, offsets],
    outputs: [y],
    invocations,
  });
  return y;
}
