// pixels on assembly/pixels.ts: RGBA8 rows of the caller's image to planes, and planes to the rows of a new one.
import { type Pixels, type Program, Result, type Values } from './program.js';
import { resize } from './resize.js';
import { Producer, same } from './rows.js';

/** Its outputs: luma, and alpha as the second image where there is alpha; chroma. */
export function pixelsToPlanes(
  program: Program,
  image: Pixels,
  width: number,
  height: number,
  alpha: boolean,
): Producer {
  const { machine, wasm } = program;
  const slot = program.pixels(image);
  return new Producer(
    [
      [alpha ? 2 : 1, height, width, 1],
      [1, height, width, 2],
    ],
    height,
    { inputs: [], scratchBytes: width * 4 },
    ({ y, left, right }, { outputs: [luma, chroma], scratch, call }) => {
      const size = (right - left) * 4;
      const from = (y * width + left) * 4;
      machine.arena.u8(scratch, size).set(call.bytes[slot].subarray(from, from + size));
      const alphas = alpha ? luma.at(1, y, left) : 0;
      wasm.pixelsToPlanes(scratch, luma.at(0, y, left), alphas, chroma.at(0, y, left), right - left);
    },
  );
}

export function planesToPixels(
  program: Program,
  lumaValues: Values,
  chromaValues: Values,
  left: number,
  top: number,
  width: number,
  height: number,
): Result {
  const luma = program.rows(lumaValues);
  const [images, h, w] = luma.shape;
  const [, chromaHeight, chromaWidth] = chromaValues.shape;
  const chroma =
    chromaHeight === h && chromaWidth === w
      ? program.rows(chromaValues)
      : resize(program, chromaValues, h, w, 'bicubic', -0.5);
  return new Result(
    [same(luma), same(chroma)],
    [top, top + height],
    [left, left + width],
    (y, address, { inputs: [lumas, chromas] }) => {
      const alphas = images === 2 ? lumas.at(1, y, left) : 0;
      program.wasm.planesToPixels(lumas.at(0, y, left), alphas, chromas.at(0, y, left), address, width);
    },
  );
}
