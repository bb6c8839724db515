// pixelShuffle and its inverse on assembly/pixel-shuffle.ts.
import { pixelShuffleShape, pixelUnshuffleShape } from '../../core/shapes.js';
import { produce, type Program, type WasmTensor } from './program.js';
import type { Rows } from './rows.js';

export function pixelShuffle(program: Program, x: WasmTensor, s: number): Rows {
  const rows = program.rows(x);
  const shape = pixelShuffleShape(rows.shape, s);
  const [n, , , c] = shape;
  const inputs = [
    {
      rows,
      reads: (y: number) => [y / s, y / s + 1] as const,
      columns: ([left, right]: readonly [number, number]) => [left / s, Math.ceil(right / s)] as const,
    },
  ];
  return produce(shape, { inputs, block: s, grid: s }, (y, { y: row, left, right }) => {
    for (let i = 0; i < n; i++)
      program.wasm.pixelShuffle(
        rows.at(i, row / s, left / s),
        y.at(i, row, left),
        y.rowBytes,
        Math.ceil(right / s) - left / s,
        c,
        s,
      );
  });
}

export function pixelUnshuffle(program: Program, x: WasmTensor, s: number): Rows {
  const pixels = program.rows(x);
  const [n, , , c] = pixels.shape;
  const inputs = [
    {
      rows: pixels,
      reads: (y: number) => [y * s, (y + 1) * s] as const,
      columns: ([left, right]: readonly [number, number]) => [left * s, right * s] as const,
      together: s,
    },
  ];
  return produce(pixelUnshuffleShape(pixels.shape, s), { inputs }, (y, { y: row, left, right }) => {
    for (let i = 0; i < n; i++)
      program.wasm.pixelUnshuffle(
        pixels.at(i, row * s, left * s),
        y.at(i, row, left),
        pixels.rowBytes,
        right - left,
        c,
        s,
      );
  });
}
