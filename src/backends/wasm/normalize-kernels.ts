// normalizeKernels on assembly/normalize-kernels.ts.
import type { Normalizer, Window } from '../../core/shapes.js';
import { SIGMOID, SIGMOID_NORMALIZED, SOFTMAX } from './constants.js';
import { produce, type Program, same, type WasmTensor } from './program.js';
import type { Rows } from './rows.js';

const NORMALIZERS: Record<Normalizer, number> = {
  softmax: SOFTMAX,
  sigmoid: SIGMOID,
  'sigmoid-normalized': SIGMOID_NORMALIZED,
};

export function normalizeKernels(
  program: Program,
  x: WasmTensor,
  { scale, kUp, groups }: Window,
  normalizer: Normalizer,
): Rows {
  const logits = program.rows(x);
  return produce(logits.shape, { inputs: [same(logits)] }, (y, { y: row, left, right }) => {
    for (let i = 0; i < logits.shape[0]; i++) {
      program.wasm.normalizeKernels(
        logits.at(i, row, left),
        y.at(i, row, left),
        (right - left) * groups,
        kUp * kUp,
        scale * scale,
        NORMALIZERS[normalizer],
      );
    }
  });
}
