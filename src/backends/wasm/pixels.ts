// pixels on assembly/pixels.ts: RGBA8 rows of the caller's image to planes, and planes to the rows of a new one.
import { type Pixels, type Program, Result, type Values } from './program.js';
import { resize } from './resize.js';
import { type Input, Producer, produce, type Range, Rows, same } from './rows.js';

/** The pixels of an image as rows of values that are no numbers. */
export function imageRows(program: Program, image: Pixels, width: number, height: number): Rows {
  if (image instanceof Rows) return image;
  const { arena } = program.machine;
  const slot = program.pixels(image);
  return produce([1, height, width, 1], { inputs: [] }, ({ y: row, left, right }, { y, call }) => {
    const from = (row * width + left) * 4;
    const size = (right - left) * 4;
    arena.u8(y.at(0, row, left), size).set(call.bytes[slot].subarray(from, from + size));
  });
}

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
  const chroma = resize(program, chromaValues, h, w, 'bicubic', -0.5);
  const spread = spreadRows(program, s, [
    ...[0, 1]
      .slice(0, images)
      .flatMap((image) => [0, 1].map((channel) => ({ rows: program.rows(gains), image, channel }))),
    ...[0, 1].map((channel) => ({ rows: program.rows(slopes), image: 0, channel })),
    ...[lowPixels, highPixels].map((pixels) => ({
      rows: imageRows(program, pixels, sourceW, sourceH),
      image: 0,
      channel: 0,
    })),
  ]);
  const ofSource: Input[] = spread.map((rows) => ({
    rows,
    reads: (y) => [Math.floor(y / s), Math.floor(y / s) + 1],
    columns: (range) => range,
  }));
  return new Result(
    [same(luma), same(program.rows(baseValues)), same(chroma), ...ofSource],
    [top, top + height],
    [left, left + width],
    (y, address, { inputs: [lumas, bases, chromas, ...spreads] }) => {
      const at = spreads.map((rows) => rows.at(0, Math.floor(y / s), left));
      const [slopeB, slopeR, low, high] = at.slice(-4);
      const alpha = images === 2;
      wasm.planesToPixels(
        lumas.at(0, y, left),
        bases.at(0, y, left),
        at[0],
        at[1],
        alpha ? lumas.at(1, y, left) : 0,
        alpha ? at[2] : 0,
        alpha ? at[3] : 0,
        chromas.at(0, y, left),
        slopeB,
        slopeR,
        low,
        high,
        address,
        width,
      );
    },
  );
}

/** Rows of source pixels as long as the enlargement's: each value of one channel s times. */
function spreadRows(
  { wasm }: Program,
  s: number,
  sources: readonly { readonly rows: Rows; readonly image: number; readonly channel: number }[],
): readonly Rows[] {
  const [{ rows }] = sources;
  const [, h, w] = rows.shape;
  const source = ([left, right]: Range): Range => [left / s, Math.ceil(right / s)];
  const inputs = sources.map(({ rows }): Input => ({ ...same(rows), columns: source }));
  return new Producer(
    sources.map(() => [1, h, w * s, 1]),
    h,
    { inputs, grid: s },
    ({ y, left, right }, { outputs, inputs: rings }) => {
      const [from, to] = source([left, right]);
      sources.forEach(({ rows, image, channel }, i) => {
        const channels = rows.shape[3];
        const value = rings[i].at(image, y, from) + channel * 4;
        wasm.spread(value, outputs[i].at(0, y, left), to - from, channels, s);
      });
    },
  ).outputs;
}
