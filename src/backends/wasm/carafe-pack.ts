// carafePack: the learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is optional, a 1x1 convolution c -> cMid.
import type { Layout } from '../../core/shapes.js';
import { type CarafePack, PLAIN } from '../backend.js';
import type { WasmConv } from './conv2d.js';
import type { WasmTensor } from './program.js';
import type { WasmOps } from './wasm-backend.js';

export function carafePack(ops: WasmOps, x: WasmTensor, module: CarafePack<WasmConv>, layout: Layout): WasmTensor {
  const features = layout === 'NCHW' ? ops.nchwToNhwc(x) : x;
  const compressed = module.compress
    ? ops.conv2d(features, module.compress, { ...PLAIN, activation: module.activation, slope: module.slope })
    : features;
  const rows = ops.conv2d(compressed, module.encode, { ...PLAIN, dilation: module.dilation });
  const kernels = ops.normalizeKernels(rows, module, module.normalizer);
  return ops.reassemble(features, kernels, module, module.padding, layout);
}
