// The ops of whole architectures (NetworkOps), which the upscaler's worker does without: scripts/build.js leaves this
// file out of it, and their kernels out of its wasm builds.
import { arithmeticShape, concatShape, gridSampleShape, sliceShape } from '../../core/shapes.js';
import type { NetworkOps } from '../backend.js';
import { arithmetic } from './arithmetic.js';
import { averagePool } from './average-pool.js';
import { concat } from './concat.js';
import { gridSample } from './grid-sample.js';
import { slice } from './slice.js';
import type { Trace, WasmTensor } from './trace.js';

export function networkOps(trace: Trace): NetworkOps<WasmTensor> {
  return {
    slice(x, area, step) {
      const { y, x: left, height, width } = area;
      return trace.tensor(sliceShape(x.shape, area, step), slice, x, y, left, height, width, step);
    },
    concat: (...xs) => trace.tensor(concatShape(...xs.map(({ shape }) => shape)), concat, ...xs),
    arithmetic(a, operation, b) {
      if (typeof b === 'number') return trace.tensor(a.shape, arithmetic, a, operation, b, undefined);
      return trace.tensor(arithmeticShape(a.shape, b.shape), arithmetic, a, operation, 0, b);
    },
    averagePool(x, height, width) {
      const [n, , , c] = x.shape;
      return trace.tensor([n, height, width, c], averagePool, x, height, width);
    },
    gridSample: (x, offsets, groups) =>
      trace.tensor(gridSampleShape(x.shape, offsets.shape, groups), gridSample, x, offsets, groups),
  };
}
