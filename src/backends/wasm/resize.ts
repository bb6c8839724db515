// resize on assembly/resize.ts, an output row at a time.
import { axisTaps } from '../../core/resize-taps.js';
import type { ResizeMode } from '../../core/shapes.js';
import { produce, type Program, type WasmTensor } from './program.js';
import type { Range, Rows } from './rows.js';

export function resize(
  program: Program,
  x: WasmTensor,
  height: number,
  width: number,
  mode: ResizeMode,
  cubicA: number,
): Rows {
  const input = program.rows(x);
  const [n, h, w, c] = input.shape;
  const [down, across] = [axisTaps(h, height, mode, cubicA), axisTaps(w, width, mode, cubicA)];
  const { taps } = down;
  const [rowWeight, columnIndex, columnWeight] = [
    Float32Array.from(down.weight),
    across.index,
    Float32Array.from(across.weight),
  ].map((values) => program.upload(values));
  const scale = width % w === 0 ? width / w : 0;
  const source = ([left, right]: Range): Range => [across.index[left * taps], across.index[right * taps - 1] + 1];
  const inputs = [
    {
      rows: input,
      reads: (y: number): Range => [down.index[y * taps], down.index[y * taps + taps - 1] + 1],
      columns: source,
    },
  ];
  return produce(
    [n, height, width, c],
    { inputs, scratchBytes: program.wasm.resizeScratch(w, c) },
    (y, { y: row, left, right, scratch }) => {
      const [from, to] = source([left, right]);
      for (let i = 0; i < n; i++) {
        const rows = program.addresses(taps, (tap) => input.at(i, down.index[row * taps + tap], 0));
        program.wasm.resize(
          rows,
          rowWeight + row * taps * 4,
          columnIndex,
          columnWeight,
          scratch,
          y.at(i, row, 0),
          w,
          c,
          from,
          to,
          left,
          right,
          taps,
          scale,
        );
      }
    },
  );
}
