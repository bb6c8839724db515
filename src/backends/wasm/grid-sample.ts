// gridSample on assembly/grid-sample.ts, an output row at a time. Offsets may lead anywhere: x is whole while it runs.
import { gridSampleShape } from '../../core/shapes.js';
import type { Program, Values } from './program.js';
import { type Input, produce, type Rows, same } from './rows.js';

export function gridSample(program: Program, x: Values, offsets: Values, groups: number): Rows {
  const { machine, wasm } = program;
  const [features, grid] = [program.rows(x), program.rows(offsets)];
  const shape = gridSampleShape(features.shape, grid.shape, groups);
  const [n, h, w, c] = features.shape;
  const [, height, width] = shape;
  const load = {
    bytes: h * 4,
    write: () => {},
  };
  const whole: Input = { rows: features, reads: () => [0, h], columns: () => [0, w] };
  return produce(
    shape,
    { inputs: [whole, same(grid)], load },
    ({ y: row, left, right }, { y, inputs: [from, given], loaded }) => {
      for (let i = 0; i < n; i++) {
        const table = machine.arena.i32(loaded, h);
        for (let iy = 0; iy < h; iy++) table[iy] = from.at(i, iy, 0);
        wasm.gridSample(
          loaded,
          given.at(i, row, left),
          y.at(i, row, left),
          h,
          w,
          c,
          groups,
          ((2 * row + 1) * h - height) / (2 * height),
          left,
          right,
          w / width,
        );
      }
    },
  );
}
