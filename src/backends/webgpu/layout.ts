// layout: [n, c, h, w] <-> [n, h, w, c], a permutation of one axis past the other two.
// nchwToNhwc(x)[n, y, x, c] = x[n, c, y, x]; nhwcToNchw is its inverse.
import source from '../../../shaders/layout.wgsl';
import type { Shape } from '../../core/tensor.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'layout', source };

export function nchwToNhwc(recording: Recording, x: GpuTensor): GpuTensor {
  const [n, c, h, w] = x.shape;
  return swap(recording, x, n, c, h * w, [n, h, w, c]);
}

export function nhwcToNchw(recording: Recording, x: GpuTensor): GpuTensor {
  const [n, h, w, c] = x.shape;
  return swap(recording, x, n, h * w, c, [n, c, h, w]);
}

/** Transposes each of n matrices [rows, columns]. */
function swap(recording: Recording, x: GpuTensor, n: number, rows: number, columns: number, shape: Shape): GpuTensor {
  const y = recording.tensor(shape, 'layout output');
  const blocks = rows % 4 === 0 && columns % 4 === 0;
  const invocations = (n * rows * columns) / (blocks ? 16 : 1);
  recording.dispatch({
    shader,
    entryPoint: blocks ? 'transposeVec4' : 'transposeScalar',
    constants: {},
    reads: 1,
    writes: 1,
    params: words(invocations, rows, columns),
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}
