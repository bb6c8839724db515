// What the ops that convolve share: the text of gemm.wgsl and its struct Conv.
import scalar from '../../../shaders/gemm-scalar.wgsl';
import vec4 from '../../../shaders/gemm-vec4.wgsl';
import type { Layout } from '../../core/shapes.js';
import type { Shape } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { type Params, Shader, type ShaderFile } from './shader.js';
import type { GpuConv, PackedWeights } from './weights.js';

/** A shader whose tileSums() reads x as vectors, or value by value. */
export function tileShaders(name: string, file: ShaderFile): (input: ConvInput) => Shader {
  const [vectors, values] = [new Shader(`${name}.vec4`, vec4, file), new Shader(`${name}.scalar`, scalar, file)];
  return (input) => (input.vectors ? vectors : values);
}

/** x as an op that convolves reads it. */
export interface ConvInput {
  readonly x: GpuTensor;
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number; // values from pixel to pixel in NHWC: cIn, or cIn padded to whole vectors
  readonly layout: Layout;
  /** Pixels are read as vectors of 4 channels: on real GPUs. A software adapter loads value by value anyway, and compiles and runs the scalar sums in half the time. */
  readonly vectors: boolean;
}

export function convInput({ hardware }: CommandList, x: GpuTensor, layout: Layout = 'NHWC'): ConvInput {
  const [n, h, w, c]: Shape = layout === 'NHWC' ? x.shape : [x.shape[0], x.shape[2], x.shape[3], x.shape[1]];
  return { x, n, h, w, c, layout, vectors: hardware && layout === 'NHWC' && c % 4 === 0 };
}

/** Tiles of 4 pixels in a row. */
export function rowTiles(w: number): number {
  return Math.ceil(w / 4);
}

/** struct Conv. */
export function convParams(
  { n, h, w, c, layout, vectors }: ConvInput,
  { cIn, k }: GpuConv,
  { coVectors }: PackedWeights,
  dilation: number,
  work: number,
): Params {
  const planes = layout === 'NCHW';
  return {
    h,
    w,
    tiles: rowTiles(w),
    cIn: vectors ? c : cIn,
    coVectors,
    k,
    dilation,
    imageStride: h * w * c,
    pixelStride: planes ? 1 : c,
    channelStride: planes ? h * w : 1,
    tileCount: n * h * rowTiles(w),
    work,
  };
}

/** Multiply-adds, as 2 operations each. */
export function convFlops({ n, h, w }: ConvInput, { cIn, cOut, k }: GpuConv): number {
  return 2 * n * h * w * cIn * cOut * k * k;
}
