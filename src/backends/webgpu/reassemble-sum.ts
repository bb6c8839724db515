// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(encode(x)))[n, oy, ox, g], encode a 1x1 convolution
// x (n, h, w, cIn)   maps (n, h, w, groups)   encode: cIn -> groups*kUp^2*s^2   base, out (n, h*s, w*s, 1); taps outside maps read 0.
// Two dispatches: conv2d writes the encoder's rows, the shader normalises and sums them. No kernel is stored.
import source from '../../../shaders/reassemble-sum.wgsl';
import { reassembleSumShape, type Window } from '../../core/shapes.js';
import { conv2d, type GpuConv } from './conv2d.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'reassemble-sum', source };

export function reassembleSum(recording: Recording, maps: GpuTensor, x: GpuTensor, encode: GpuConv, base: GpuTensor, window: Window): GpuTensor {
  const rows = conv2d(recording, x, encode, {});
  const { scale, kUp, groups } = window;
  const y = recording.tensor(reassembleSumShape(maps.shape, rows.shape, base.shape, window), 'reassembleSum output');
  const [n, h, w] = maps.shape;
  recording.dispatch({
    shader,
    entryPoint: scale % 2 === 0 ? 'evenScale' : 'oddScale',
    constants: { SCALE: scale },
    reads: 3,
    writes: 1,
    params: words(n * h * w, h, w, groups, kUp),
    inputs: [maps, rows, base],
    outputs: [y],
    invocations: n * h * w,
  });
  recording.free(rows);
  return y;
}
