// What the ops that convolve share: the text of gemm.wgsl and its struct Conv.
import type { Shape } from '../../core/tensor.js';
import type { Layout } from '../../core/shapes.js';
import scalar from '../../../shaders/gemm-scalar.wgsl';
import vec4 from '../../../shaders/gemm-vec4.wgsl';
import gemm from '../../../shaders/gemm.wgsl';
import type { Shader } from './device.js';
import type { GpuTensor, PackedWeights, Recording } from './recording.js';
import type { GpuConv } from './weights.js';

export { gemm };

/** A shader whose tileSums() reads x as vectors, and the one that reads it value by value. */
export function tileShaders(name: string, source: string): (input: ConvInput) => Shader {
  const [vectors, values] = [
    { name: `${name}.vec4`, source: gemm + vec4 + source },
    { name: `${name}.scalar`, source: gemm + scalar + source },
  ];
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

export function convInput({ hardware }: Recording, x: GpuTensor, layout: Layout = 'NHWC'): ConvInput {
  const [n, h, w, c]: Shape = layout === 'NHWC' ? x.shape : [x.shape[0], x.shape[2], x.shape[3], x.shape[1]];
  return { x, n, h, w, c, layout, vectors: hardware && layout === 'NHWC' && c % 4 === 0 };
}

/** Tiles of 4 pixels in a row. */
export function rowTiles(w: number): number {
  return Math.ceil(w / 4);
}

/** struct Conv as its 32-bit words. */
export function convWords(
  input: ConvInput,
  { cIn, k }: GpuConv,
  { coVectors }: PackedWeights,
  dilation: number,
  work: number,
): number[] {
  const { n, h, w, c, layout, vectors } = input;
  const planes = layout === 'NCHW';
  return [
    h,
    w,
    rowTiles(w),
    vectors ? c : cIn,
    coVectors,
    k,
    dilation,
    h * w * c,
    planes ? 1 : c,
    planes ? h * w : 1,
    n * h * rowTiles(w),
    work,
  ];
}

/** Multiply-adds, as 2 operations each. */
export function convFlops({ n, h, w }: ConvInput, { cIn, cOut, k }: GpuConv): number {
  return 2 * n * h * w * cIn * cOut * k * k;
}
