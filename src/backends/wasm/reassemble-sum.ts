// reassembleSum on assembly/reassemble-sum.ts, a row of source pixels at a time.
import { convShape, reassembleSumShape, type Window } from '../../core/shapes.js';
import type { WasmConv } from './conv2d.js';
import { produce, type Program, type WasmTensor } from './program.js';
import type { Input, Range, Rows } from './rows.js';

export function reassembleSum(
  program: Program,
  maps: WasmTensor,
  x: WasmTensor,
  { weights, bias, cIn, cOut }: WasmConv,
  base: WasmTensor,
  window: Window,
): Rows {
  const { scale: s, kUp, groups } = window;
  const [mapRows, xRows, baseRows] = [program.rows(maps), program.rows(x), program.rows(base)];
  const r = (kUp - 1) / 2;
  const source = ([left, right]: Range): Range => [left / s, Math.ceil(right / s)];
  const inputs: Input[] = [
    {
      rows: mapRows,
      reads: (y) => [y / s - r, y / s + r + 1],
      columns: (range) => [source(range)[0] - r, source(range)[1] + r],
    },
    { rows: xRows, reads: (y) => [y / s, y / s + 1], columns: source },
    { rows: baseRows, reads: (y) => [y, y + s], columns: (range) => range, together: s },
  ];
  const scratchBytes = program.wasm.reassembleSumScratch(s, kUp, groups);
  return produce(
    reassembleSumShape(mapRows.shape, convShape(xRows.shape, cIn, cOut), baseRows.shape, window),
    { inputs, block: s, grid: s, scratchBytes },
    (y, step) => {
      const { y: row, left, right, scratch } = step;
      for (let i = 0; i < mapRows.shape[0]; i++) {
        const windowRows = program.addresses(kUp, (ky) => mapRows.at(i, row / s - r + ky, left / s - r));
        program.wasm.reassembleSum(
          xRows.at(i, row / s, left / s),
          weights,
          bias,
          windowRows,
          baseRows.at(i, row, left),
          baseRows.rowBytes,
          y.at(i, row, left),
          y.rowBytes,
          scratch,
          Math.ceil(right / s) - left / s,
          cIn,
          s,
          kUp,
          groups,
        );
      }
    },
  );
}
