// A raster -> a raster `scale` times as large, in strips through the upscaler: memory does not grow with the picture.
// A strip is cut with more rows than the networks look at and begins on their grid of 4, so strips do not show, bit for bit.
import type { Restore, RunOptions, Upscaler } from '../index.js';
import { deepen } from './deep.js';
import { bandChannels, type Raster, type Strip } from './raster.js';

const STRIP = 2 ** 24; // pixels: 64 MB of RGBA
export const MARGIN = 64; // rows; the networks see 8 to 30, rounded to their blocks
const GRID = 4;

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
  from: Raster,
  to: Raster,
  pages: number,
  { file, done, stripPixels = STRIP }: EnlargeOptions,
): Promise<Restore> {
  const pageHeight = from.height / pages;
  const rows = Math.max(GRID, Math.ceil(stripPixels / from.width / GRID) * GRID);
  let restore: Restore | undefined;
  for (let page = 0; page < from.height; page += pageHeight) {
    for (let top = 0; top < pageHeight; top += rows) {
      const bottom = Math.min(top + rows, pageHeight);
      const start = Math.max(0, top - MARGIN);
      const end = Math.min(pageHeight, bottom + MARGIN);
      const strip = toStrip(from, page + start, end - start);
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

/** Rows y..y+height. */
export function toStrip(from: Raster, y: number, height: number): Strip {
  const values = from.read(y, height);
  const { width, bands, deep } = from;
  const data = new Uint8ClampedArray(width * height * 4);
  const [, g, b] = bands < 3 ? [0, 0, 0] : [0, 1, 2];
  const hasAlpha = bands % 2 === 0;
  const unit = deep ? 257 : 1;
  for (let i = 0, at = 0; at < values.length; i += 4, at += bands) {
    data[i] = values[at] / unit; // rounded by the array
    data[i + 1] = values[at + g] / unit;
    data[i + 2] = values[at + b] / unit;
    data[i + 3] = hasAlpha ? values[at + bands - 1] / unit : 255;
  }
  return { values, data, width, height };
}

/** RGBA -> grey or RGB, with or without alpha. */
function fromRgba(data: Uint8ClampedArray, bands: number): Uint8Array {
  const channels = bandChannels(bands);
  const values = new Uint8Array((data.length / 4) * bands);
  for (let i = 0, at = 0; at < values.length; i += 4) for (const channel of channels) values[at++] = data[i + channel];
  return values;
}
