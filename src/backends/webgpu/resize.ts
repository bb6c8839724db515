// resize: separable interpolation at half-pixel centres, u = (o + 0.5) * in/out - 0.5, taps clamped to the edge, no antialiasing.
// x (n, h, w, c) -> (n, height, width, c). bilinear: 2 taps; bicubic: 4 taps of the cubic convolution kernel with parameter a.
// torch F.interpolate(align_corners=False) (bilinear; bicubic with a = -0.75); Keys 1981, MATLAB imresize and PIL: a = -0.5.
import taps from '../../../shaders/resize-taps.wgsl';
import source from '../../../shaders/resize.wgsl';
import type { ResizeMode } from '../../core/shapes.js';
import type { Shader } from './device.js';
import { f32, type GpuTensor, type Recording, words } from './recording.js';

const vectors: Shader = {
  name: 'resize.vec4',
  source: `alias Value = vec4f; alias StoredValue = Stored4;\n${taps}${source}`,
};
const values: Shader = {
  name: 'resize.scalar',
  source: `alias Value = f32; alias StoredValue = Stored;\n${taps}${source}`,
};

export function resize(
  recording: Recording,
  x: GpuTensor,
  height: number,
  width: number,
  mode: ResizeMode,
  cubicA: number,
): GpuTensor {
  const [n, h, w, channels] = x.shape;
  const y = recording.tensor([n, height, width, channels], 'resize output');
  const unit = channels % 4 === 0 ? 4 : 1;
  const c = channels / unit;
  const invocations = n * height * width * c;
  recording.dispatch({
    shader: unit === 4 ? vectors : values,
    entryPoint: 'resize',
    constants: { BICUBIC: mode === 'bicubic' ? 1 : 0 },
    reads: 1,
    writes: 1,
    params: words(invocations, h, w, c, height, width, ...fraction(h, height), ...fraction(w, width), f32(cubicA)),
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
