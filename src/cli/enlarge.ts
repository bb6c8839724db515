// Rows -> a raster `scale` times as large, in strips through the upscaler: memory does not grow with the picture.
// A strip is cut with more rows than the networks look at and begins on their grid of 4, so strips do not show, bit for bit.
import type { Restore, RunOptions, Upscaler } from '../index.js';
import { deepen, type Strip } from './deep.js';
import { bandChannels, type Raster, type Rows, type Values } from './raster.js';

const STRIP = 2 ** 24; // pixels: 64 MB of RGBA
export const MARGIN = 64; // rows; the networks see 8 to 30, rounded to their blocks
const GRID = 4;
const READ = 2 ** 23; // bytes that are read at a time

export interface EnlargeOptions {
  /** The first bytes of the picture's file, if they say how it was compressed. */
  readonly file?: Uint8Array;
  /** Told of pixels of the input as they are done. */
  readonly done: (pixels: number) => void;
  readonly stripPixels?: number;
}

/**
 * Gives the position on the dial: the first strip decides it for all, so that none differs from its neighbours. Pixel art is
 * one strip, and each page may be some.
 * @throws as upscaler.tiles(); Error for files that cannot be read or written
 */
export async function enlarge(
  upscaler: Upscaler,
  from: Rows,
  to: Raster,
  pages: number,
  { file, done, stripPixels = STRIP }: EnlargeOptions,
): Promise<Restore> {
  const pageHeight = from.height / pages;
  const rows = Math.max(GRID, Math.ceil(stripPixels / from.width / GRID) * GRID);
  const strips = new Strips(from, Math.min(pageHeight, rows + 2 * MARGIN));
  let restore: Restore | undefined;
  for (let page = 0; page < from.height; page += pageHeight) {
    for (let top = 0; top < pageHeight; top += rows) {
      const bottom = Math.min(top + rows, pageHeight);
      const start = Math.max(0, top - MARGIN);
      const end = Math.min(pageHeight, bottom + MARGIN);
      const strip = strips.cut(page + start, end - start);
      const options = restore && !restore.pixelArt ? { restore: restore.value } : { file };
      const decided = await enlargeStrip(upscaler, strip, to, page, { start, top, bottom }, options, done);
      restore ??= decided;
    }
  }
  return restore!; // a picture has a strip
}

/** Rows start.. of the page are the strip; of them top..bottom are written. */
async function enlargeStrip(
  upscaler: Upscaler,
  strip: Strip,
  to: Raster,
  page: number,
  { start, top, bottom }: { start: number; top: number; bottom: number },
  options: RunOptions,
  done: EnlargeOptions['done'],
): Promise<Restore> {
  const { scale } = upscaler.info;
  const { bands, deep } = to;
  let decided!: Restore;
  for await (const { x, y, image, restore } of upscaler.tiles(strip, options)) {
    decided = restore;
    const first = Math.max(0, (top - start) * scale - y);
    const last = Math.min(image.height, (bottom - start) * scale - y);
    if (first >= last) continue; // all margin
    const values = deep ? deepen(image, x, y, strip, bands, scale) : fromRgba(image.data, bands);
    for (let row = first; row < last; row++) {
      const at = row * image.width * bands;
      to.write(x, (page + start) * scale + y + row, values.subarray(at, at + image.width * bands));
    }
    done(((last - first) * image.width) / scale ** 2);
  }
  return decided;
}

/** Cuts strips, each into the memory of the one before. */
export class Strips {
  readonly #from: Rows;
  readonly #data: Uint8ClampedArray;
  /** Of a whole strip where 16 bits are needed later, else of as many rows as are read at a time. */
  readonly #values: Values;
  readonly #rowsAtOnce: number;

  constructor(from: Rows, mostRows: number) {
    this.#from = from;
    this.#rowsAtOnce = Math.max(1, Math.floor(READ / from.room(1).byteLength));
    this.#data = new Uint8ClampedArray(mostRows * from.width * 4);
    this.#values = from.room(from.deep ? mostRows : Math.min(mostRows, this.#rowsAtOnce));
  }

  /** Rows y..y+height. */
  cut(y: number, height: number): Strip {
    const { width, bands, deep } = this.#from;
    for (let row = 0; row < height; row += this.#rowsAtOnce) {
      const rows = Math.min(this.#rowsAtOnce, height - row);
      const at = deep ? row * width * bands : 0;
      const values = this.#values.subarray(at, at + rows * width * bands);
      this.#from.read(y + row, values);
      toRgba(values, bands, deep ? 257 : 1, this.#data.subarray(row * width * 4));
    }
    return { values: this.#values, data: this.#data.subarray(0, height * width * 4), width, height };
  }
}

/** Grey or RGB, with or without alpha -> RGBA. */
function toRgba(values: Values, bands: number, unit: number, data: Uint8ClampedArray): void {
  const [, g, b] = bands < 3 ? [0, 0, 0] : [0, 1, 2];
  const hasAlpha = bands % 2 === 0;
  for (let i = 0, at = 0; at < values.length; i += 4, at += bands) {
    data[i] = values[at] / unit; // rounded by the array
    data[i + 1] = values[at + g] / unit;
    data[i + 2] = values[at + b] / unit;
    data[i + 3] = hasAlpha ? values[at + bands - 1] / unit : 255;
  }
}

/** RGBA -> grey or RGB, with or without alpha. */
function fromRgba(data: Uint8ClampedArray, bands: number): Uint8Array {
  const values = new Uint8Array((data.length / 4) * bands);
  bandChannels(bands).forEach((channel, band) => {
    for (let from = channel, to = band; to < values.length; from += 4, to += bands) values[to] = data[from];
  });
  return values;
}
