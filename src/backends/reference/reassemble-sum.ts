// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(encode(x)))[n, oy, ox, g]
// x (n, h, w, cIn)   maps (n, h, w, groups)   base, out (n, h*s, w*s, 1); encode is a 1x1 convolution
// cIn -> groups*kUp^2*s^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an
// image.
import { type ConvWeights, PLAIN } from '../backend.js';
import { reassembleSumShape, type Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import { conv2d } from './conv2d.js';
import { normalizeKernels } from './normalize-kernels.js';
import { reassemble } from './reassemble.js';

export function reassembleSum(maps: Tensor, x: Tensor, encode: ConvWeights, base: Tensor, window: Window): Tensor {
  return sumOfKernels(maps, normalizeKernels(conv2d(x, encode, PLAIN), window, 'softmax'), base, window);
}

/** The same with the kernels given: rows (n, h, w, groups*kUp^2*s^2), normalised. */
export function sumOfKernels(maps: Tensor, rows: Tensor, base: Tensor, window: Window): Tensor {
  const shape = reassembleSumShape(maps.shape, rows.shape, base.shape, window);
  const each = reassemble(maps, rows, window, 'zero', 'NHWC').data;
  const { groups } = window;
  const y = new Float32Array(base.data.length);
  for (let i = 0; i < y.length; i++) {
    let sum = base.data[i];
    for (let g = 0; g < groups; g++) sum += each[i * groups + g];
    y[i] = sum;
  }
  return { data: y, shape };
}
