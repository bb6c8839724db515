// carafePack: the learned module whole:
//   reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is
// optional, a 1x1 convolution c -> cMid.
// CARAFE, arXiv:1905.02188, figure 2; mmcv ops/carafe CARAFEPack. Composed of the other ops, each stored as f32.
import { type CarafePack, type ConvWeights, PLAIN } from '../backend.js';
import type { Layout } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';
import { conv2d } from './conv2d.js';
import { nchwToNhwc } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import { reassemble } from './reassemble.js';

export function carafePack(x: Tensor, module: CarafePack<ConvWeights>, layout: Layout): Tensor {
  const features = layout === 'NCHW' ? nchwToNhwc(x) : x;
  const compressed = module.compress
    ? conv2d(features, module.compress, { ...PLAIN, activation: module.activation, slope: module.slope })
    : features;
  const rows = conv2d(compressed, module.encode, { ...PLAIN, dilation: module.dilation });
  return reassemble(features, normalizeKernels(rows, module, module.normalizer), module, module.padding, layout);
}
