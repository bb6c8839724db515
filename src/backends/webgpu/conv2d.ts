// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn) or (n, cIn, h, w)   weights (cOut, cIn, k, k)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
import type { ConvOptions } from '../backend.js';
import { convShape } from '../../core/shapes.js';
import file from '../../../shaders/conv2d.wgsl';
import { type ConvInput, convFlops, convInput, convParams, rowTiles, tileShaders } from './gemm.js';
import type { CommandList, GpuTensor } from './command-list.js';
import type { GpuConv } from './weights.js';

const shaderFor = tileShaders('conv2d', file);

export function conv2d(list: CommandList, x: GpuTensor, conv: GpuConv, options: ConvOptions<GpuTensor>): GpuTensor {
  const [n, h, w] = convShape(x.shape, conv.cIn, conv.cOut);
  return convolve(list, convInput(list, x), conv, list.tensor([n, h, w, conv.cOut], 'conv2d output'), options);
}

/** Into y, whose channels may be padded with zeros to whole vectors. */
export function convolve(
  list: CommandList,
  input: ConvInput,
  conv: GpuConv,
  y: GpuTensor,
  { dilation, activation, slope, residual }: ConvOptions<GpuTensor>,
): GpuTensor {
  const weights = conv.packed();
  list.uses(weights);
  const { k } = conv;
  const { coVectors } = weights;
  const cOut = y.shape[3];
  const { x, n, h, w } = input;
  const work = {
    shader: shaderFor(input),
    // Without a residual its binding is not read, but must be there and as large as one vector: the weights always are.
    inputs: [x, weights, residual ?? weights],
    outputs: [y],
    flops: convFlops(input, conv),
  };
  // Uniforms, not constants: a network's layers are one pipeline.
  const epilogue = { cOut, activation: work.shader.constant(activation), slope, residual: residual ? 1 : 0 };
  if (stagedPays(input, conv, cOut, dilation)) {
    const vectors = stagedVectors(coVectors);
    const side = work.shader.constant('SIDE');
    const workgroups = n * Math.ceil(h / side) * Math.ceil(w / side) * Math.ceil(coVectors / vectors);
    list.dispatch({
      ...work,
      entryPoint: 'staged',
      constants: { VECTORS: vectors, K: k },
      params: { conv: convParams(input, conv, weights, dilation, workgroups), ...epilogue },
      workgroups,
    });
    return y;
  }
  // Two vectors share each load of x; not where that would compute 4 vectors instead of 3. On a software adapter another pipeline costs more.
  const vectors = list.hardware && (coVectors === 1 || coVectors === 3) ? 1 : 2;
  // A 1x1 convolution sees no neighbours: all pixels of an image are one row, with one tail instead of one for each row.
  const rows: ConvInput = k === 1 ? { ...input, h: 1, w: h * w } : input;
  const invocations = rows.n * rows.h * rowTiles(rows.w) * Math.ceil(coVectors / vectors);
  list.dispatch({
    ...work,
    entryPoint: cOut % 4 === 0 ? 'toVec4' : 'toScalar',
    constants: { VECTORS: vectors },
    params: { conv: convParams(rows, conv, weights, dilation, invocations), ...epilogue },
    invocations,
  });
  return y;
}

/** Where pixels are fetched for several taps, as vectors, and a tile with its halo fits the workgroup's memory. */
function stagedPays(input: ConvInput, { k }: GpuConv, cOut: number, dilation: number): boolean {
  return input.vectors && cOut % 4 === 0 && (k === 3 || k === 5) && dilation === 1;
}

/** Output vectors of an invocation: as many as share its loads of x, so that the fewest are computed in vain. */
function stagedVectors(coVectors: number): number {
  const computed = (vectors: number): number => Math.ceil(coVectors / vectors) * vectors;
  return [4, 3, 2, 1].reduce((best, vectors) => (computed(vectors) < computed(best) ? vectors : best));
}
