// The executable specification: every op as plain loops with f64 sums, results stored as f32. Never chosen by 'auto'.
import type { Backend, ConvWeights, DeviceTensor, Ops } from '../backend.js';
import type { RawImage, Tensor } from '../../core/tensor.js';
import { carafePack } from './carafe-pack.js';
import { conv2d } from './conv2d.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
import { pixelsToPlanes, planesToPixels } from './pixels.js';
import { reassembleSum } from './reassemble-sum.js';
import { reassemble } from './reassemble.js';
import { resize } from './resize.js';

const ops: Ops = {
  input: (data, shape) => ({ data, shape }) as DeviceTensor,
  inputPixels: (image) => image,
  free: () => {},
  nchwToNhwc: (x) => nchwToNhwc(host(x)),
  nhwcToNchw: (x) => nhwcToNchw(host(x)),
  conv2d: (x, conv, { dilation = 1, activation = 'none', slope = 0.01, residual } = {}) =>
    conv2d(host(x), conv as ConvWeights, dilation, activation, slope, residual && host(residual)),
  pixelShuffle: (x, scale) => pixelShuffle(host(x), scale),
  pixelUnshuffle: (x, scale) => pixelUnshuffle(host(x), scale),
  normalizeKernels: (rows, window, normalizer) => normalizeKernels(host(rows), window, normalizer),
  reassemble(features, rows, window, padding, layout = 'NHWC') {
    const y = reassemble(host(features), host(rows), window, padding);
    return layout === 'NHWC' ? y : nhwcToNchw(y);
  },
  carafePack: (x, module, layout) => carafePack(host(x), module, layout),
  reassembleSum: (maps, x, encode, base, window) =>
    reassembleSum(host(maps), host(x), encode as ConvWeights, host(base), window),
  resize: (x, height, width, mode, cubicA = -0.5) => resize(host(x), height, width, mode, cubicA),
  pixelsToPlanes: (pixels, alpha) => pixelsToPlanes(pixels as RawImage, alpha),
  planesToPixels: (luma, chroma, crop) => planesToPixels(host(luma), host(chroma), crop),
};

/** Resident tensors of this backend are the tensors themselves. */
function host(x: DeviceTensor): Tensor {
  return x as Tensor;
}

export function createReferenceBackend(): Backend {
  return {
    name: 'reference',
    details: 'plain loops, f64 sums',
    batch: 1,
    conv: (weights) => weights,
    run: async (program, into) => {
      const { data } = host(program(ops));
      const values = into ?? new Float32Array(data.length);
      values.set(data);
      return values;
    },
    runPixels: async (program) => program(ops).map((pixels) => (pixels as RawImage).data),
    dispose: () => {},
  };
}
