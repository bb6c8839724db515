// averagePool on assembly/average-pool.ts, an output row at a time: its window's rows are summed as they lie.
import { poolWindow } from '../../core/shapes.js';
import { DIVIDE } from './constants.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Rows } from './rows.js';

export function averagePool(program: Program, x: Values, height: number, width: number): Rows {
  const { wasm } = program;
  const rows = program.rows(x);
  const [n, h, w, c] = rows.shape;
  const input: Input = {
    rows,
    reads: (y) => poolWindow(y, h, height),
    columns: ([left, right]) => [poolWindow(left, w, width)[0], poolWindow(right - 1, w, width)[1]],
  };
  return produce([n, height, width, c], { inputs: [input] }, ({ y: row, left, right }, { y, inputs: [from] }) => {
    const [top, bottom] = poolWindow(row, h, height);
    for (let i = 0; i < n; i++) {
      for (let ox = left; ox < right; ox++) {
        const [first, last] = poolWindow(ox, w, width);
        const target = y.at(i, row, ox);
        for (let iy = top; iy < bottom; iy++)
          wasm.addPixels(from.at(i, iy, first), target, last - first, c, iy === top ? 1 : 0);
        wasm.arithmetic(target, 0, target, c, 0, (bottom - top) * (last - first), DIVIDE);
      }
    }
  });
}
