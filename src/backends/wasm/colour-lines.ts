// colourLines on assembly/colour-lines.ts, a row at a time.
import { around } from './mean-gains.js';
import type { Pixels, Program, Values } from './program.js';
import { Producer } from './rows.js';

/** Its outputs: slopes; low and high, whose values are pixels. */
export function colourLines(
  program: Program,
  image: Pixels,
  luma: Values,
  chroma: Values,
  width: number,
  height: number,
): Producer {
  const { machine, wasm } = program;
  const inputs = [
    around(program.pixelRows(image, width, height), 2),
    around(program.rows(luma), 1),
    around(program.rows(chroma), 1),
  ];
  return new Producer(
    [
      [1, height, width, 2],
      [1, height, width, 1],
      [1, height, width, 1],
    ],
    height,
    { inputs, scratchBytes: wasm.colourLinesScratch(width) },
    ({ y, left, right }, { outputs: [slopes, low, high], inputs: [pixels, lumas, chromas], scratch }) => {
      const within = (row: number): number => Math.min(Math.max(row, 0), height - 1);
      const rows = machine.addresses(11, (k) => {
        if (k < 5) return pixels.at(0, within(y + k - 2), 0);
        return k < 8 ? lumas.at(0, within(y + k - 6), 0) : chromas.at(0, within(y + k - 9), 0);
      });
      wasm.colourLines(
        rows,
        rows + 5 * 4,
        rows + 8 * 4,
        slopes.at(0, y, 0),
        low.at(0, y, 0),
        high.at(0, y, 0),
        scratch,
        left,
        right,
        width,
      );
    },
  );
}
