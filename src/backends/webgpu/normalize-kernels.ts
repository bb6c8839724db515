// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (n, h, w, groups*kUp^2*s^2) -> the same shape, [g][tap][sub-pixel] inside a row.
import source from '../../../shaders/normalize-kernels.wgsl';
import normalizer from '../../../shaders/normalizer.wgsl';
import type { Normalizer, Window } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'normalize-kernels', source: normalizer + source };
export const normalizers: readonly Normalizer[] = ['softmax', 'sigmoid', 'sigmoid-normalized']; // `override NORMALIZER`

export function normalizeKernels(
  recording: Recording,
  rows: GpuTensor,
  { scale, kUp }: Window,
  kind: Normalizer,
): GpuTensor {
  const y = recording.tensor(rows.shape, 'normalizeKernels output');
  const taps = kUp * kUp;
  const columns = elements(rows.shape) / taps;
  recording.dispatch({
    shader,
    entryPoint: scale % 2 === 0 ? 'normalizeVec4' : 'normalizeScalar',
    constants: { NORMALIZER: normalizers.indexOf(kind) },
    reads: 1,
    writes: 1,
    params: words(columns, taps, scale * scale),
    inputs: [rows],
    outputs: [y],
    invocations: Math.ceil(columns / 4),
  });
  return y;
}
