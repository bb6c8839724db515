// pixelShuffle and its inverse on assembly/pixel-shuffle.ts.
import { pixelShuffleShape, pixelUnshuffleShape } from '../../core/shapes.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Rows } from './rows.js';

export function pixelShuffle(program: Program, x: Values, s: number): Rows {
  const rows = program.rows(x);
  const shape = pixelShuffleShape(rows.shape, s);
  const [n, , , c] = shape;
  const input: Input = {
    rows,
    reads: (y) => [y / s, y / s + 1],
    columns: ([left, right]) => [left / s, Math.ceil(right / s)],
  };
  return produce(shape, { inputs: [input], block: s, grid: s }, ({ y: row, left, right }, { y, inputs: [from] }) => {
    const width = Math.ceil(right / s) - left / s;
    for (let i = 0; i < n; i++)
      program.wasm.pixelShuffle(from.at(i, row / s, left / s), y.at(i, row, left), y.rowBytes, width, c, s);
  });
}

export function pixelUnshuffle(program: Program, x: Values, s: number): Rows {
  const pixels = program.rows(x);
  const [n, , , c] = pixels.shape;
  const input: Input = {
    rows: pixels,
    reads: (y) => [y * s, (y + 1) * s],
    columns: ([left, right]) => [left * s, right * s],
    together: s,
  };
  const shape = pixelUnshuffleShape(pixels.shape, s);
  return produce(shape, { inputs: [input] }, ({ y: row, left, right }, { y, inputs: [from] }) => {
    for (let i = 0; i < n; i++) {
      const address = from.at(i, row * s, left * s);
      program.wasm.pixelUnshuffle(address, y.at(i, row, left), from.rowBytes, right - left, c, s);
    }
  });
}
