// slice: rows are copied, or every step-th of them and of their pixels.
import type { Program, Values } from './program.js';
import { produce, type Rows } from './rows.js';

export function slice(
  program: Program,
  x: Values,
  top: number,
  left: number,
  height: number,
  width: number,
  step: number,
): Rows {
  const rows = program.rows(x);
  const [n, , , c] = rows.shape;
  const input = {
    rows,
    reads: (y: number): [number, number] => [top + y * step, top + y * step + 1],
    columns: ([from, to]: readonly [number, number]): [number, number] => [
      left + from * step,
      left + (to - 1) * step + 1,
    ],
  };
  return produce(
    [n, height, width, c],
    { inputs: [input] },
    ({ y: row, left: from, right }, { y, inputs: [source] }) => {
      for (let i = 0; i < n; i++) {
        const address = source.at(i, top + row * step, left + from * step);
        program.wasm.copy(address, y.at(i, row, from), c * 4, c * 4 * step, c * 4, right - from);
      }
    },
  );
}
