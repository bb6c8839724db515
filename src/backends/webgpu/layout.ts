// layout: [n, c, h, w] <-> [n, h, w, c], a permutation of one axis past the other two.
// nchwToNhwc(x)[n, y, x, c] = x[n, c, y, x]; nhwcToNchw is its inverse.
import file from '../../../shaders/layout.wgsl';
import type { Shape } from '../../core/tensor.js';
import { Shader } from './shader.js';
import type { CommandList, GpuTensor } from './command-list.js';

const SHADER = new Shader('layout', file);

export function nchwToNhwc(list: CommandList, x: GpuTensor): GpuTensor {
  const [n, c, h, w] = x.shape;
  return swap(list, x, n, c, h * w, [n, h, w, c]);
}

export function nhwcToNchw(list: CommandList, x: GpuTensor): GpuTensor {
  const [n, h, w, c] = x.shape;
  return swap(list, x, n, h * w, c, [n, c, h, w]);
}

/** Transposes each of n matrices [rows, columns]. */
function swap(list: CommandList, x: GpuTensor, n: number, rows: number, columns: number, shape: Shape): GpuTensor {
  const y = list.tensor(shape, 'layout output');
  const blocks = rows % 4 === 0 && columns % 4 === 0;
  const invocations = (n * rows * columns) / (blocks ? 16 : 1);
  list.dispatch({
    shader: SHADER,
    entryPoint: blocks ? 'transposeVec4' : 'transposeScalar',
    params: { invocations, rows, columns },
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}
