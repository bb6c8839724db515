// normalizeKernels on assembly/normalize-kernels.ts.
import type { Normalizer } from '../../core/shapes.js';
import { SIGMOID, SIGMOID_NORMALIZED, SOFTMAX } from './constants.js';
import type { Program, Values } from './program.js';
import { produce, type Rows, same } from './rows.js';

/** As the kernels know them. */
export const NORMALIZERS: Readonly<Record<Normalizer, number>> = {
  softmax: SOFTMAX,
  sigmoid: SIGMOID,
  'sigmoid-normalized': SIGMOID_NORMALIZED,
};

export function normalizeKernels(
  program: Program,
  logits: Values,
  scale: number,
  kUp: number,
  groups: number,
  normalizer: Normalizer,
): Rows {
  const rows = program.rows(logits);
  const { wasm } = program;
  return produce(rows.shape, { inputs: [same(rows)] }, ({ y: row, left, right }, { y, inputs: [x] }) => {
    for (let i = 0; i < rows.shape[0]; i++) {
      const count = (right - left) * groups;
      wasm.normalizeKernels(
        x.at(i, row, left),
        y.at(i, row, left),
        count,
        kUp * kUp,
        scale * scale,
        NORMALIZERS[normalizer],
      );
    }
  });
}
