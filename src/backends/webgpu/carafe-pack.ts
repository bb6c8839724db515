// carafePack: the learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is optional, a 1x1 convolution c -> cMid.
// Dispatches of the other ops' shaders.
import type { CarafePack } from '../backend.js';
import type { Layout } from '../../core/shapes.js';
import { conv2d, type GpuConv } from './conv2d.js';
import { nchwToNhwc } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import { reassemble } from './reassemble.js';
import type { GpuTensor, Recording } from './recording.js';

export function carafePack(recording: Recording, x: GpuTensor, module: CarafePack, layout: Layout): GpuTensor {
  const features = layout === 'NCHW' ? nchwToNhwc(recording, x) : x;
  const compressed = module.compress ? conv2d(recording, features, module.compress as GpuConv, { activation: module.activation, slope: module.slope }) : features;
  const rows = conv2d(recording, compressed, module.encode as GpuConv, { dilation: module.dilation });
  if (compressed !== features) recording.free(compressed);
  const kernels = normalizeKernels(recording, rows, module, module.normalizer);
  recording.free(rows);
  const y = reassemble(recording, features, kernels, module, module.padding, layout);
  recording.free(kernels);
  if (features !== x) recording.free(features);
  return y;
}
