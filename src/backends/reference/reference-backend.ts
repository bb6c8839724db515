// The executable specification: every op as plain loops with f64 sums, results stored as f32. Never chosen by 'auto'.
import type { Backend, ConvWeights, Ops } from '../backend.js';
import type { RawImage, Tensor } from '../../core/tensor.js';
import { arithmetic } from './arithmetic.js';
import { averagePool } from './average-pool.js';
import { carafePack } from './carafe-pack.js';
import { colourLines } from './colour-lines.js';
import { concat } from './concat.js';
import { conv2d } from './conv2d.js';
import { gridSample } from './grid-sample.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { meanGains } from './mean-gains.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
import { pixelsToPlanes, planesToPixels } from './pixels.js';
import { reassembleSum } from './reassemble-sum.js';
import { reassemble } from './reassemble.js';
import { resize } from './resize.js';
import { slice } from './slice.js';

/** What it holds are the arrays themselves. */
export const referenceOps: Ops<Tensor, RawImage, ConvWeights> = {
  input: (data, shape) => ({ data, shape }),
  inputPixels: (image) => image,
  free: () => {},
  nchwToNhwc,
  nhwcToNchw,
  conv2d,
  pixelShuffle,
  pixelUnshuffle,
  normalizeKernels,
  reassemble,
  carafePack,
  reassembleSum,
  resize,
  pixelsToPlanes,
  meanGains,
  colourLines,
  planesToPixels,
  slice,
  concat,
  arithmetic,
  averagePool,
  gridSample,
};

export function createReferenceBackend(): Backend {
  const backend: Backend<Tensor, RawImage, ConvWeights> = {
    name: 'reference',
    details: 'plain loops, f64 sums',
    conv: (weights) => weights,
    release: () => {},
    run: async (program, into) => {
      const { data } = program(referenceOps);
      const values = into ?? new Float32Array(data.length);
      values.set(data);
      return values;
    },
    runAll: async (program) => program(referenceOps).map(({ data }) => data.slice()),
    runPixels: async (program) => program(referenceOps).map(({ data }) => data),
    dispose: () => {},
  };
  return backend;
}
