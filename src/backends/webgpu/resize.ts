// resize: separable interpolation at half-pixel centres, u = (o + 0.5) * in/out - 0.5, taps clamped to the edge, no antialiasing.
// x (n, h, w, c) -> (n, height, width, c). bilinear: 2 taps; bicubic: 4 taps of the cubic convolution kernel with parameter a.
// torch F.interpolate(align_corners=False) (bilinear; bicubic with a = -0.75); Keys 1981, MATLAB imresize and PIL: a = -0.5.
import scalar from '../../../shaders/resize-scalar.wgsl';
import vec4 from '../../../shaders/resize-vec4.wgsl';
import type { ResizeMode } from '../../core/shapes.js';
import { Shader } from './shader.js';
import type { CommandList, GpuTensor } from './command-list.js';

const VECTORS = new Shader('resize.vec4', vec4);
const VALUES = new Shader('resize.scalar', scalar);

export function resize(
  list: CommandList,
  x: GpuTensor,
  height: number,
  width: number,
  mode: ResizeMode,
  cubicA: number,
): GpuTensor {
  const [n, h, w, channels] = x.shape;
  const y = list.tensor([n, height, width, channels], 'resize output');
  const unit = channels % 4 === 0 ? 4 : 1;
  const c = channels / unit;
  const invocations = n * height * width * c;
  list.dispatch({
    shader: unit === 4 ? VECTORS : VALUES,
    entryPoint: 'resize',
    constants: { BICUBIC: mode === 'bicubic' ? 1 : 0 },
    params: {
      invocations,
      h,
      w,
      c,
      height,
      width,
      fractionH: fraction(h, height),
      fractionW: fraction(w, width),
      a: cubicA,
    },
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}

/** p/q in lowest terms, as tapsOf() of resize-taps.wgsl wants it. */
export function fraction(p: number, q: number): [number, number] {
  let [a, b] = [p, q];
  while (b > 0) [a, b] = [b, a % b];
  return [p / a, q / a];
}
