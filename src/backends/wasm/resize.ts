// resize on assembly/resize.ts, an output row at a time.
import { axisTaps } from '../../core/resize-taps.js';
import type { ResizeMode } from '../../core/shapes.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Range, type Rows } from './rows.js';

export function resize(
  program: Program,
  x: Values,
  height: number,
  width: number,
  mode: ResizeMode,
  cubicA: number,
): Rows {
  const { machine, wasm } = program;
  const rows = program.rows(x);
  const [n, h, w, c] = rows.shape;
  const [down, across] = [axisTaps(h, height, mode, cubicA), axisTaps(w, width, mode, cubicA)];
  const { taps } = down;
  const [rowWeights, columnWeights] = [down, across].map(({ weight }) => Float32Array.from(weight));
  const columnIndex = rowWeights.byteLength; // bytes, of what is loaded
  const columnWeight = columnIndex + across.index.byteLength;
  const load = {
    bytes: columnWeight + columnWeights.byteLength,
    write(address: number): void {
      machine.arena.f32(address, rowWeights.length).set(rowWeights);
      machine.arena.i32(address + columnIndex, across.index.length).set(across.index);
      machine.arena.f32(address + columnWeight, columnWeights.length).set(columnWeights);
    },
  };
  const scale = width % w === 0 ? width / w : 0;
  const source = ([left, right]: Range): Range => [across.index[left * taps], across.index[right * taps - 1] + 1];
  const input: Input = {
    rows,
    reads: (y) => [down.index[y * taps], down.index[y * taps + taps - 1] + 1],
    columns: source,
  };
  const options = { inputs: [input], load, scratchBytes: wasm.resizeScratch(w, c) };
  return produce([n, height, width, c], options, ({ y: row, left, right }, { y, inputs: [from], scratch, loaded }) => {
    const [first, last] = source([left, right]);
    for (let i = 0; i < n; i++) {
      wasm.resize(
        machine.addresses(taps, (tap) => from.at(i, down.index[row * taps + tap], 0)),
        loaded + row * taps * 4,
        loaded + columnIndex,
        loaded + columnWeight,
        scratch,
        y.at(i, row, 0),
        w,
        c,
        first,
        last,
        left,
        right,
        taps,
        scale,
      );
    }
  });
}
