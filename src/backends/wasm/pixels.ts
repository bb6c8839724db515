// pixels on assembly/pixels.ts: RGBA8 rows of the caller's image to planes, and planes to the rows of a new one.
import type { RawImage } from '../../core/tensor.js';
import type { DevicePixels, Rectangle } from '../backend.js';
import { type Program, type WasmTensor, writePixels } from './program.js';
import { resize } from './resize.js';
import { type Input, Producer, Rows } from './rows.js';

/** The caller's image, as it is. */
class Image implements DevicePixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;

  constructor({ data, width, height }: RawImage) {
    this.data = data;
    this.width = width;
    this.height = height;
  }
}

/** An image that only exists where it is written. */
class Result implements DevicePixels {
  readonly width: number;
  readonly height: number;
  readonly write: () => Uint8ClampedArray;

  constructor(width: number, height: number, write: () => Uint8ClampedArray) {
    this.width = width;
    this.height = height;
    this.write = write;
  }
}

export type WasmPixels = Image | Result;

export const inputPixels = (image: RawImage): WasmPixels => new Image(image);

/** The bytes of an image, the caller's own. */
export function pixelValues(pixels: WasmPixels): Uint8ClampedArray {
  return pixels instanceof Result ? pixels.write() : pixels.data.slice();
}

export function pixelsToPlanes(program: Program, pixels: WasmPixels, alpha: boolean): { luma: Rows; chroma: Rows } {
  const { arena, wasm } = program;
  const { width, height } = pixels;
  const data = pixels instanceof Image ? pixels.data : pixelValues(pixels);
  const producer = new Producer({
    inputs: [],
    height,
    scratchBytes: width * 4,
    compute({ y, left, right, scratch }) {
      const size = (right - left) * 4;
      const from = (y * width + left) * 4;
      arena.u8(scratch, size).set(data.subarray(from, from + size));
      wasm.pixelsToPlanes(
        scratch,
        luma.at(0, y, left),
        alpha ? luma.at(1, y, left) : 0,
        chroma.at(0, y, left),
        right - left,
      );
    },
  });
  const luma = new Rows([alpha ? 2 : 1, height, width, 1], producer);
  const chroma = new Rows([1, height, width, 2], producer);
  return { luma, chroma };
}

export function planesToPixels(
  program: Program,
  luma: WasmTensor,
  chroma: WasmTensor,
  { x, y, width, height }: Rectangle,
): WasmPixels {
  const lumaRows = program.rows(luma);
  const [images, h, w] = lumaRows.shape;
  const chromaRows =
    chroma.shape[1] === h && chroma.shape[2] === w
      ? program.rows(chroma)
      : resize(program, chroma, h, w, 'bicubic', -0.5);
  const inputs: Input[] = [lumaRows, chromaRows].map((rows) => ({
    rows,
    reads: (row) => [row, row + 1],
    columns: (range) => range,
  }));
  return new Result(width, height, () =>
    writePixels(program.arena, inputs, [y, y + height], [x, x + width], (row, address) => {
      program.wasm.planesToPixels(
        lumaRows.at(0, row, x),
        images === 2 ? lumaRows.at(1, row, x) : 0,
        chromaRows.at(0, row, x),
        address,
        width,
      );
    }),
  );
}
