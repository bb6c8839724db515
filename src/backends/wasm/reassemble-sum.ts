// reassembleSum on assembly/reassemble-sum.ts, a row of source pixels at a time.
import type { WasmConv } from './conv2d.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Range, type Rows } from './rows.js';

export function reassembleSum(
  program: Program,
  maps: Values,
  x: Values,
  { weights, bias, cIn }: WasmConv,
  base: Values,
  s: number,
  kUp: number,
  groups: number,
): Rows {
  const { machine, wasm } = program;
  const r = (kUp - 1) / 2;
  const source = ([left, right]: Range): Range => [left / s, Math.ceil(right / s)];
  const inputs: Input[] = [
    {
      rows: program.rows(maps),
      reads: (y) => [y / s - r, y / s + r + 1],
      columns: (range) => [source(range)[0] - r, source(range)[1] + r],
    },
    { rows: program.rows(x), reads: (y) => [y / s, y / s + 1], columns: source },
    { rows: program.rows(base), reads: (y) => [y, y + s], columns: (range) => range, together: s },
  ];
  const options = { inputs, block: s, grid: s, scratchBytes: wasm.reassembleSumScratch(cIn, s, kUp, groups) };
  return produce(base.shape, options, ({ y: row, left, right }, { y, inputs: [mapRows, xRows, baseRows], scratch }) => {
    const [first, last] = source([left, right]);
    for (let i = 0; i < base.shape[0]; i++) {
      wasm.reassembleSum(
        xRows.at(i, row / s, first),
        weights,
        bias,
        machine.addresses(kUp, (ky) => mapRows.at(i, row / s - r + ky, first - r)),
        baseRows.at(i, row, left),
        baseRows.rowBytes,
        y.at(i, row, left),
        y.rowBytes,
        scratch,
        last - first,
        cIn,
        s,
        kUp,
        groups,
      );
    }
  });
}
