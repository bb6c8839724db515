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
    const schedule = stagedSchedule(coVectors);
    const side = work.shader.constant('SIDE');
    const { PIXELS, VECTORS, PARTS } = schedule;
    const workgroups = n * Math.ceil(h / side) * Math.ceil(w / side) * Math.ceil(coVectors / (PARTS * VECTORS));
    list.dispatch({
      ...work,
      entryPoint: 'staged',
      constants: {
        ...schedule,
        WORKGROUP: ((side * side) / PIXELS) * PARTS,
        CHANNELS: input.c / 4,
        OUTPUTS: coVectors,
        ACTIVATION: epilogue.activation,
        RESIDUAL: epilogue.residual,
      },
      params: { conv: convParams(input, conv, weights, dilation, workgroups), ...epilogue },
      workgroups,
    });
    return y;
  }
  // Two vectors share each load of x. Where there are few, more invocations are worth more (1 to 16 channels, 976x556, H100: 30 and 35 us;
  // 1x1 from 16 to 8: 30 and 52). On a software adapter another pipeline costs more.
  const vectors = list.hardware && coVectors <= 4 ? 1 : 2;
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

/** Where pixels are fetched for several taps, as vectors: the taps of a 3x3. */
function stagedPays(input: ConvInput, { k }: GpuConv, cOut: number, dilation: number): boolean {
  return input.vectors && cOut % 4 === 0 && k === 3 && dilation === 1;
}

/**
 * Of 20 ways to share 16x16 pixels and 4 output vectors among invocations, the quickest on an H100 was 4 pixels x 2 vectors, in two parts
 * of a workgroup; for 1 vector 2 pixels (bench/results). More vectors are up to 4 parts: as many as compute the fewest in vain.
 */
function stagedSchedule(coVectors: number): { PIXELS: number; VECTORS: number; PARTS: number } {
  if (coVectors === 1) return { PIXELS: 2, VECTORS: 1, PARTS: 1 };
  if (coVectors <= 3) return { PIXELS: 4, VECTORS: 1, PARTS: coVectors };
  const computed = (parts: number): number => Math.ceil(coVectors / (2 * parts)) * 2 * parts;
  const PARTS = [4, 3, 2].reduce((best, parts) => (computed(parts) < computed(best) ? parts : best));
  return { PIXELS: 4, VECTORS: 2, PARTS };
}
