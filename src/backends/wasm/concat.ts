// concat: the channels of each pixel are copied to where they belong.
import { concatShape } from '../../core/shapes.js';
import type { Program, Values } from './program.js';
import { produce, type Rows, same } from './rows.js';

export function concat(program: Program, ...xs: readonly Values[]): Rows {
  const all = xs.map((x) => program.rows(x));
  const shape = concatShape(...all.map((rows) => rows.shape));
  const pixelBytes = shape[3] * 4;
  return produce(shape, { inputs: all.map(same) }, ({ y: row, left, right }, { y, inputs }) => {
    for (let i = 0; i < shape[0]; i++) {
      let address = y.at(i, row, left);
      inputs.forEach((source, k) => {
        const bytes = all[k].shape[3] * 4;
        program.wasm.copy(source.at(i, row, left), address, bytes, bytes, pixelBytes, right - left);
        address += bytes;
      });
    }
  });
}
