// What the gradients' ops compute with on wasm: their kernels, and a memory for whole tensors.
import type { instantiate } from '../../../dist/gradient-kernels.js';
import type { Arena } from './arena.js';

export type GradientKernels = Omit<Awaited<ReturnType<typeof instantiate>>, 'memory'>;

export interface GradientMachine {
  readonly kernels: GradientKernels;
  readonly arena: Arena;
  /** Addresses of values, and of zeros. */
  readonly load: (values: Float32Array) => number;
  readonly zeros: (length: number) => number;
}

/** Every `run` values padded with zeros to whole vectors of 4. */
export function padded(values: Float32Array, run: number): Float32Array {
  const longer = Math.ceil(run / 4) * 4;
  if (longer === run) return values;
  const result = new Float32Array((values.length / run) * longer);
  for (let from = 0, to = 0; from < values.length; from += run, to += longer)
    result.set(values.subarray(from, from + run), to);
  return result;
}

/** The inverse, in memory of its own. */
export function unpadded(values: Float32Array, run: number): Float32Array {
  const longer = Math.ceil(run / 4) * 4;
  if (longer === run) return values.slice();
  const result = new Float32Array((values.length / longer) * run);
  for (let from = 0, to = 0; to < result.length; from += longer, to += run)
    result.set(values.subarray(from, from + run), to);
  return result;
}
