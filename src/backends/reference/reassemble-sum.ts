// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, rows)[n, oy, ox, g]
// maps (n, h, w, groups)   rows (n, h, w, groups*kUp^2*s^2)   base, out (n, h*s, w*s, 1); taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
import { reassembleSumShape, type Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import { reassemble } from './reassemble.js';

export function reassembleSum(maps: Tensor, rows: Tensor, base: Tensor, window: Window): Tensor {
  const shape = reassembleSumShape(maps.shape, rows.shape, base.shape, window);
  const each = reassemble(maps, rows, window, 'zero').data;
  const { groups } = window;
  const y = new Float32Array(base.data.length);
  for (let i = 0; i < y.length; i++) {
    let sum = base.data[i];
    for (let g = 0; g < groups; g++) sum += each[i * groups + g];
    y[i] = sum;
  }
  return { data: y, shape };
}
