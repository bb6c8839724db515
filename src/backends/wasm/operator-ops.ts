// The ops of the operator (OperatorOps), which the worker for pictures does without: scripts/build.js leaves this file
// out of it, and their kernels out of its wasm builds.
import { pixelUnshuffleShape, reassembleShape } from '../../core/shapes.js';
import type { OperatorOps } from '../backend.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelUnshuffle } from './pixel-shuffle.js';
import { reassemble } from './reassemble.js';
import type { Trace, WasmTensor } from './trace.js';

export function operatorOps(trace: Trace): OperatorOps<WasmTensor> {
  return {
    nchwToNhwc(x) {
      const [n, c, h, w] = x.shape;
      return trace.tensor([n, h, w, c], nchwToNhwc, x);
    },
    nhwcToNchw(x) {
      const [n, h, w, c] = x.shape;
      return trace.tensor([n, c, h, w], nhwcToNchw, x);
    },
    pixelUnshuffle: (x, scale) => trace.tensor(pixelUnshuffleShape(x.shape, scale), pixelUnshuffle, x, scale),
    normalizeKernels: (rows, { scale, kUp, groups }, normalizer) =>
      trace.tensor(rows.shape, normalizeKernels, rows, scale, kUp, groups, normalizer),
    reassemble(features, rows, window, padding, layout) {
      const { scale, kUp, groups } = window;
      const shape = reassembleShape(features.shape, rows.shape, window, layout);
      return trace.tensor(shape, reassemble, features, rows, scale, kUp, groups, padding, layout);
    },
  };
}
