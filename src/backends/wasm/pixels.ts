// pixels on assembly/pixels.ts: RGBA8 rows of the caller's image to planes, and planes to the rows of a new one.
import type { Pixels, Program, Values } from './program.js';
import { resize } from './resize.js';
import { type Input, Producer, type Rows, same } from './rows.js';
import { Result } from './sinks.js';

/** Its outputs: luma, and alpha as the second image where there is alpha; chroma. */
export function pixelsToPlanes(
  program: Program,
  image: Pixels,
  width: number,
  height: number,
  alpha: boolean,
): Producer {
  const { wasm } = program;
  return new Producer(
    [
      [alpha ? 2 : 1, height, width, 1],
      [1, height, width, 2],
    ],
    height,
    { inputs: [same(program.pixelRows(image, width, height))] },
    ({ y, left, right }, { outputs: [luma, chroma], inputs: [pixels] }) => {
      const alphas = alpha ? luma.at(1, y, left) : 0;
      wasm.pixelsToPlanes(pixels.at(0, y, left), luma.at(0, y, left), alphas, chroma.at(0, y, left), right - left);
    },
  );
}

export function planesToPixels(
  program: Program,
  lumaValues: Values,
  baseValues: Values,
  gains: Values,
  chromaValues: Values,
  slopes: Values,
  lowPixels: Pixels,
  highPixels: Pixels,
  left: number,
  top: number,
  width: number,
  height: number,
): Result {
  const { wasm } = program;
  const luma = program.rows(lumaValues);
  const [images, h, w] = luma.shape;
  const [, sourceH, sourceW] = chromaValues.shape;
  const s = h / sourceH;
  const rowsOf = (pixels: Pixels): Rows => program.pixelRows(pixels, sourceW, sourceH);
  const ofResult = (rows: Rows): Input => ({ rows, reads: (y) => [y, y + s], columns: (range) => range, together: s });
  const ofSource = (rows: Rows): Input => ({
    rows,
    reads: (y) => [y / s, y / s + 1],
    columns: ([from, to]) => [Math.floor(from / s), Math.ceil(to / s)],
  });
  return new Result(
    [
      ...[luma, program.rows(baseValues), resize(program, chromaValues, h, w, 'bicubic', -0.5)].map(ofResult),
      ...[program.rows(gains), program.rows(slopes), rowsOf(lowPixels), rowsOf(highPixels)].map(ofSource),
    ],
    [top, top + height],
    [left, left + width],
    { block: s, scratchBytes: wasm.planesToPixelsScratch(width, s) },
    (y, address, { inputs: [lumas, bases, chromas, ...sources] }, scratch) => {
      const alpha = images === 2;
      const source = Math.floor(left / s);
      const [gain, slope, low, high] = sources.map((rows) => rows.at(0, y / s, source));
      wasm.planesToPixels(
        lumas.at(0, y, left),
        lumas.rowBytes,
        bases.at(0, y, left),
        bases.rowBytes,
        alpha ? lumas.at(1, y, left) : 0,
        chromas.at(0, y, left),
        chromas.rowBytes,
        gain,
        alpha ? sources[0].at(1, y / s, source) : 0,
        slope,
        low,
        high,
        address,
        scratch,
        left % s,
        width,
        s,
      );
    },
  );
}
