// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(encode(x)))[n, oy, ox, g], encode a 1x1 convolution
// x (n, h, w, cIn)   maps (n, h, w, groups)   encode: cIn -> groups*kUp^2*s^2   base, out (n, h*s, w*s, 1); taps outside maps read 0.
// One dispatch: neither logits nor kernels are stored.
import file from '../../../shaders/reassemble-sum.wgsl';
import { convShape, reassembleSumShape, type Window } from '../../core/shapes.js';
import { convFlops, convInput, convParams, rowTiles, tileShaders } from './gemm.js';
import type { CommandList, GpuTensor } from './command-list.js';
import type { Shader } from './shader.js';
import type { GpuConv } from './weights.js';

const shaderFor = tileShaders('reassemble-sum', file);

export function reassembleSum(
  list: CommandList,
  maps: GpuTensor,
  x: GpuTensor,
  encode: GpuConv,
  base: GpuTensor,
  window: Window,
): GpuTensor {
  const { scale, kUp, groups } = window;
  const shape = reassembleSumShape(maps.shape, convShape(x.shape, encode.cIn, encode.cOut), base.shape, window);
  const y = list.tensor(shape, 'reassembleSum output');
  const weights = encode.packed(scale * scale);
  list.uses(weights);
  const input = convInput(list, x);
  const work = {
    shader: shaderFor(input),
    inputs: [x, weights, maps, base],
    outputs: [y],
    flops: convFlops(input, encode) + 2 * shape[0] * shape[1] * shape[2] * groups * kUp * kUp,
  };
  const together = heldTogether(work.shader, input.c, groups);
  if (input.vectors && kUp === 3 && together > 0) {
    const side = work.shader.constant('SIDE');
    const workgroups = input.n * Math.ceil(input.h / side) * Math.ceil(input.w / side);
    list.dispatch({
      ...work,
      entryPoint: 'staged',
      constants: {
        SCALE: scale,
        WORKGROUP: (side * side) / 2,
        CHANNELS: input.c / 4,
        OUTPUTS: weights.coVectors,
        TOGETHER: together,
      },
      params: { conv: convParams(input, encode, weights, 1, workgroups), groups, kUp },
      workgroups,
    });
    return y;
  }
  const invocations = input.n * input.h * rowTiles(input.w);
  list.dispatch({
    ...work,
    entryPoint: 'reassembleSum',
    constants: { SCALE: scale },
    params: { conv: convParams(input, encode, weights, 1, invocations), groups, kUp },
    invocations,
  });
  return y;
}

/** Groups whose maps and weights fit a workgroup's memory; 0 where not even one does. */
function heldTogether(shader: Shader, cIn: number, groups: number): number {
  const fit = Math.floor(shader.constant('MAX_WEIGHTS') / ((1 + cIn) * 9));
  return Math.min(groups, shader.constant('MAX_GROUPS'), fit);
}
