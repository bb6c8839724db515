// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   weights (cOut, cIn, k, k)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// Packs the weights once as rows [tap][ci] of cOut values, padded with zeros to whole output vectors, behind a row with the bias.
import type { ConvOptions, ConvWeights, DeviceConv } from '../backend.js';
import type { CarafeError } from '../../core/errors.js';
import { type Activation, convShape } from '../../core/shapes.js';
import source from '../../../shaders/conv2d.wgsl';
import type { Shader } from './device.js';
import { f32, type GpuTensor, type Recording, type Storage, words } from './recording.js';

const shader: Shader = { name: 'conv2d', source };
const activations: readonly Activation[] = ['none', 'relu', 'leaky-relu', 'silu', 'hardswish']; // `override ACTIVATION`
const pixelsPerInvocation = 4;

export interface GpuConv extends DeviceConv {
  readonly storage: Storage;
  readonly coVectors: number; // vectors of 4 output channels in a packed row
  readonly vectors: number; // of them, computed by one invocation: 1 or 2
  /** What went wrong when the weights were uploaded; undefined once it is known that nothing did. */
  uploading: Promise<CarafeError | undefined> | undefined;
}

export interface PackedWeights {
  readonly data: Float32Array<ArrayBuffer>; // (1 + k*k*cIn, coVectors * 4)
  readonly coVectors: number;
  readonly vectors: number;
}

export function packWeights({ weights, bias, cOut, cIn, k }: ConvWeights): PackedWeights {
  const used = Math.ceil(cOut / 4);
  // Two vectors share each load of x; not where that would pad 3 vectors to 4 and compute a third more.
  const vectors = used === 1 || used === 3 ? 1 : 2;
  const coVectors = Math.ceil(used / vectors) * vectors;
  const row = coVectors * 4;
  const taps = k * k;
  const data = new Float32Array((1 + taps * cIn) * row);
  if (bias) data.set(bias);
  for (let co = 0; co < cOut; co++) {
    for (let ci = 0; ci < cIn; ci++) {
      for (let tap = 0; tap < taps; tap++) data[(1 + tap * cIn + ci) * row + co] = weights[(co * cIn + ci) * taps + tap];
    }
  }
  return { data, coVectors, vectors };
}

export function conv2d(recording: Recording, x: GpuTensor, conv: GpuConv, { dilation = 1, activation = 'none', slope = 0.01, residual }: ConvOptions): GpuTensor {
  const shape = convShape(x.shape, conv.cIn, conv.cOut);
  const y = recording.tensor(shape, 'conv2d output');
  if (conv.uploading) recording.uploads.add(conv.uploading);
  const { cIn, cOut, k, coVectors, vectors } = conv;
  // A 1x1 convolution sees no neighbours: all its pixels are one row, with one tail instead of one for each row.
  const [n, h, w] = k === 1 ? [1, 1, shape[0] * shape[1] * shape[2]] : shape;
  const tiles = Math.ceil(w / pixelsPerInvocation);
  const invocations = (n * h * tiles * coVectors) / vectors;
  recording.dispatch({
    shader,
    entryPoint: `${cIn % 4 === 0 ? 'vec4' : 'scalar'}To${cOut % 4 === 0 ? 'Vec4' : 'Scalar'}`,
    constants: { VECTORS: vectors, ACTIVATION: activations.indexOf(activation), RESIDUAL: residual ? 1 : 0 },
    reads: 3,
    writes: 1,
    params: words(invocations, h, w, tiles, cIn, cOut, coVectors, k, dilation, f32(slope)),
    // Without RESIDUAL its binding is not read, but must be there and as large as one vector: the weights always are.
    inputs: [x, conv.storage, (residual as GpuTensor | undefined) ?? conv.storage],
    outputs: [y],
    invocations,
  });
  return y;
}
