// meanGains on assembly/mean-gains.ts: means of the enlargement's pixels for a row of source pixels, then gains a row
// at a time.
import type { Program, Values } from './program.js';
import { type Input, produce, type Range, type Rows } from './rows.js';

const REACH = 2; // rows and columns of the blur

export function meanGains(program: Program, big: Values, small: Values): Rows {
  const { machine, wasm } = program;
  const [n, h, w] = small.shape;
  const s = big.shape[1] / h;
  const cells: Input = {
    rows: program.rows(big),
    reads: (y) => [y * s, (y + 1) * s],
    columns: ([left, right]) => [left * s, right * s],
    together: s,
  };
  const means = produce(
    [n, h, w, 1],
    { inputs: [cells], scratchBytes: wasm.cellMeansScratch(w, s) },
    ({ y: row, left, right }, { y, inputs: [from], scratch }) => {
      for (let i = 0; i < n; i++)
        wasm.cellMeans(from.at(i, row * s, left * s), from.rowBytes, y.at(i, row, left), scratch, right - left, s);
    },
  );
  const inputs = [means, program.rows(small)].map((rows) => around(rows, REACH));
  return produce(
    [n, h, w, 2],
    { inputs, scratchBytes: wasm.meanGainsScratch(w) },
    ({ y: row, left, right }, { y, inputs: [meanRows, targetRows], scratch }) => {
      for (let i = 0; i < n; i++) {
        const at = (k: number): number => Math.min(Math.max(row + (k % 5) - REACH, 0), h - 1);
        const rows = machine.addresses(10, (k) => (k < 5 ? meanRows : targetRows).at(i, at(k), 0));
        wasm.meanGains(rows, rows + 5 * 4, y.at(i, row, 0), scratch, left, right, w);
      }
    },
  );
}

/** What is read of an input whose edges are repeated: so many rows and columns around. */
export function around(rows: Rows, reach: number): Input {
  const [, h, w] = rows.shape;
  const within = (from: number, to: number, size: number): Range => [
    Math.max(from - reach, 0),
    Math.min(to + reach, size),
  ];
  return { rows, reads: (y) => within(y, y + 1, h), columns: ([left, right]) => within(left, right, w) };
}
