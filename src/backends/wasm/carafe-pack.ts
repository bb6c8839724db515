// carafePack: the learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is optional, a 1x1 convolution c -> cMid.
import type { Layout } from '../../core/shapes.js';
import { type CarafePack, PLAIN } from '../backend.js';
import { conv2d, type WasmConv } from './conv2d.js';
import { nchwToNhwc } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import type { Program, WasmTensor } from './program.js';
import { reassemble } from './reassemble.js';

export function carafePack(program: Program, x: WasmTensor, module: CarafePack<WasmConv>, layout: Layout): WasmTensor {
  const { compress, encode, activation, slope, dilation, normalizer, padding } = module;
  const features = layout === 'NCHW' ? nchwToNhwc(program, x) : x;
  const compressed = compress ? conv2d(program, features, compress, { ...PLAIN, activation, slope }) : features;
  const rows = conv2d(program, compressed, encode, { ...PLAIN, dilation });
  return reassemble(program, features, normalizeKernels(program, rows, module, normalizer), module, padding, layout);
}
