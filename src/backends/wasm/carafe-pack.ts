// carafePack: the learned module whole:
//   reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is
// optional, a 1x1 convolution c -> cMid.
import type { Layout } from '../../core/shapes.js';
import { type CarafePack, type DeviceConv, type DevicePixels, type DeviceTensor, type Ops, PLAIN } from '../backend.js';

export function carafePack<Tensor extends DeviceTensor, Conv extends DeviceConv>(
  ops: Ops<Tensor, DevicePixels, Conv>,
  x: Tensor,
  module: CarafePack<Conv>,
  layout: Layout,
): Tensor {
  const { compress, encode, activation, slope, dilation, normalizer, padding } = module;
  const features = layout === 'NCHW' ? ops.nchwToNhwc(x) : x;
  const compressed = compress ? ops.conv2d(features, compress, { ...PLAIN, activation, slope }) : features;
  const rows = ops.conv2d(compressed, encode, { ...PLAIN, dilation });
  return ops.reassemble(features, ops.normalizeKernels(rows, module, normalizer), module, padding, layout);
}
