// projectionError on assembly/projection-error.ts: the gains applied to the enlargement's rows of a source row, then
// errors a row at a time.
import { shrinkTaps } from '../../core/resize-taps.js';
import { around } from './mean-gains.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Rows, same } from './rows.js';

const REACH = 2; // source pixels around one that it is shrunk from

export function projectionError(program: Program, big: Values, gains: Values, small: Values, strength: number): Rows {
  const { machine, wasm } = program;
  const [n, h, w] = small.shape;
  const [, height, width] = big.shape;
  const s = height / h;
  const enlarged: Input = { ...same(program.rows(big)), reads: (y) => [y, y + s], together: s };
  const ofSource: Input = {
    rows: program.rows(gains),
    reads: (y) => [y / s, y / s + 1],
    columns: ([left, right]) => [left / s, right / s],
  };
  const adjusted = produce(
    big.shape,
    { inputs: [enlarged, ofSource], block: s, grid: s, scratchBytes: wasm.applyGainsScratch(width, s) },
    ({ y: row, left, right }, { y, inputs: [from, gain], scratch }) => {
      for (let i = 0; i < n; i++) {
        const address = gain.at(i, row / s, left / s);
        wasm.applyGains(
          from.at(i, row, left),
          from.rowBytes,
          address,
          y.at(i, row, left),
          y.rowBytes,
          scratch,
          right - left,
          s,
        );
      }
    },
  );
  const { before, weight } = shrinkTaps(s);
  const pixels = around(adjusted, REACH, s);
  const load = {
    bytes: weight.length * 4,
    write: (address: number): void => machine.arena.f32(address, weight.length).set(weight),
  };
  return produce(
    small.shape,
    { inputs: [pixels, same(program.rows(small))], scratchBytes: wasm.projectionErrorScratch(w, s), load },
    ({ y: row, left, right }, { y, inputs: [from, targets], scratch, loaded }) => {
      for (let i = 0; i < n; i++) {
        const rows = machine.addresses(4 * s, (k) => {
          const at = row * s - before + k;
          const source = Math.floor(at / s);
          return from.at(i, at + (Math.min(Math.max(source, 0), h - 1) - source) * s, 0);
        });
        wasm.projectionError(
          rows,
          loaded,
          targets.at(i, row, 0),
          y.at(i, row, 0),
          scratch,
          left,
          right,
          w,
          s,
          before,
          strength,
        );
      }
    },
  );
}
