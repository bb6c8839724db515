// reassembleSum on assembly/reassemble-sum.ts, a row of source pixels at a time.
import { convShape, reassembleSumShape, type Window } from '../../core/shapes.js';
import { SPARE_BYTES, type WasmConv } from './conv2d.js';
import { produce, type Program, type WasmTensor } from './program.js';
import type { Input, Range, Rows } from './rows.js';

const SEGMENT = 40; // pixels, assembly/reassemble-sum.ts

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
  const bytes = { table: kUp * kUp * 4, rows: SEGMENT * cOut * 4 + 16, sums: (s * s + 4) * 4 };
  const scratchBytes = SPARE_BYTES + bytes.table + bytes.rows + bytes.sums;
  return produce(
    reassembleSumShape(mapRows.shape, convShape(xRows.shape, cIn, cOut), baseRows.shape, window),
    { inputs, block: s, grid: s, scratchBytes },
    (y, step) => {
      const { y: row, left, right, scratch } = step;
      const rows = scratch + SPARE_BYTES,
        table = rows + bytes.rows,
        sums = table + bytes.table;
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
          table,
          rows,
          sums,
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
