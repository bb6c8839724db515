// resize on assembly/resize.ts, an output row at a time, or those of a source row.
import { axisTaps } from '../../core/resize-taps.js';
import type { ResizeMode } from '../../core/shapes.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Range, type Rows } from './rows.js';

const MAX_BLOCK_ROWS = 8; // few enough for the table of addresses

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
  const perSource = height % h === 0 && height > 0 ? Math.min(height / h, MAX_BLOCK_ROWS) : 1;
  const block = perSource * (perSource > 1 ? Math.floor(MAX_BLOCK_ROWS / perSource) : 1);
  const end = (y: number): number => Math.min(y + block, height);
  const input: Input = {
    rows,
    reads: (y) => [down.index[y * taps], down.index[end(y) * taps - 1] + 1],
    columns: source,
  };
  const options = { inputs: [input], block, load, scratchBytes: wasm.resizeScratch(w, c) };
  return produce([n, height, width, c], options, (step, { y, inputs: [from], scratch, loaded }) => {
    const { y: row, left, right } = step;
    const [first, last] = source([left, right]);
    for (let i = 0; i < n; i++) {
      wasm.resize(
        machine.addresses(step.height * taps, (tap) => from.at(i, down.index[row * taps + tap], 0)),
        loaded + row * taps * 4,
        loaded + columnIndex,
        loaded + columnWeight,
        scratch,
        y.at(i, row, 0),
        y.rowBytes,
        step.height,
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
