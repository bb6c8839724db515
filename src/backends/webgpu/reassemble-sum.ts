// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, rows)[n, oy, ox, g]
// maps (n, h, w, groups)   rows (n, h, w, groups*kUp^2*s^2)   base, out (n, h*s, w*s, 1); taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
import source from '../../../shaders/reassemble-sum.wgsl';
import { reassembleSumShape, type Window } from '../../core/shapes.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'reassemble-sum', source };

export function reassembleSum(recording: Recording, maps: GpuTensor, rows: GpuTensor, base: GpuTensor, window: Window): GpuTensor {
  const { scale, kUp, groups } = window;
  const y = recording.tensor(reassembleSumShape(maps.shape, rows.shape, base.shape, window), 'reassembleSum output');
  const [n, h, w] = maps.shape;
  recording.dispatch({
    shader,
    entryPoint: `${groups % 4 === 0 ? 'vec4' : 'scalar'}${scale % 2 === 0 ? 'Even' : 'Odd'}`,
    constants: { SCALE: scale },
    reads: 3,
    writes: 1,
    params: words(n * h * w, h, w, groups, kUp),
    inputs: [maps, rows, base],
    outputs: [y],
    invocations: n * h * w,
  });
  return y;
}
