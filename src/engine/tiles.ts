// Tiles: which rectangles an image is processed in, and how one is cut from it and pasted back. Pure. What takes long on large images
// is a generator, to be run by inSlices().
// A tile is cut with a halo from the edge-replicated image and only its core is kept, so that no output pixel depends on where a tile
// ends: tiled equals whole, bit for bit. For that every tile begins on the grid of BLOCK pixels that kernels may compute in.
import { BLOCK, type Rectangle } from '../backends/backend.js';
import { expected } from '../core/errors.js';
import type { ClampedBytes } from '../core/platform.js';
import { type RawImage, stillThere } from '../core/tensor.js';
import { isOpaque } from './alpha.js';

/** Extra input pixels that a tile is cut with, multiples of BLOCK. */
export interface Halo {
  /** Where the image ends: what decides the output pixels' values. All tiles there end alike, so it need not keep bits. */
  readonly border: number;
  /** Towards other tiles: what may change the bits. */
  readonly inner: number;
}

/** A tile cut from an image: `core` is its place in it. */
export interface CutTile {
  readonly image: RawImage;
  readonly core: Rectangle;
}

export interface TileJob extends CutTile {
  /** Whether any pixel of the whole image is not opaque: decided once for all tiles, so that they agree. */
  readonly alpha: boolean;
}

/** A tile of core x core pixels to measure or warm up with. */
export function whiteTile(core: number, border: number): TileJob {
  const side = core + 2 * border;
  return {
    image: { data: new Uint8ClampedArray(side * side * 4).fill(255), width: side, height: side },
    core: { x: border, y: border, width: core, height: core },
    alpha: false,
  };
}

/** Side of a tile's core in input pixels, unless a GPU has reasons for more: the quickest on wasm (ARCHITECTURE.md). */
export const TILE = 256;
/** Of any tile. */
export const LARGEST_TILE = 2048;

/** Rectangles that cover width x height, row by row, of as equal sizes as possible: at most tile x tile, which is rounded up to BLOCK. */
export function planTiles(width: number, height: number, tile: number): Rectangle[] {
  const columns = split(width, tile);
  const rows = split(height, tile);
  return rows.flatMap(([y, h]) => columns.map(([x, w]) => ({ x, y, width: w, height: h })));
}

/** Cuts 0..size into the fewest pieces of at most `tile`, beginning on multiples of BLOCK: [start, length]. */
function split(size: number, tile: number): [number, number][] {
  const blocks = Math.ceil(size / BLOCK);
  const pieces = Math.ceil(blocks / Math.ceil(tile / BLOCK));
  const starts = Array.from({ length: pieces + 1 }, (_, i) =>
    Math.min(Math.floor((i * blocks) / pieces) * BLOCK, size),
  );
  return starts.slice(1).map((end, i) => [starts[i], end - starts[i]]);
}

/** Bytes between the yields of what follows: less than a millisecond's copying. */
const STEP = 2 ** 20;

/** `core` and its halo; outside the image the nearest edge pixel. @throws {CarafeError} UnsupportedImage if the pixels are gone. */
export function* cutting(image: RawImage, core: Rectangle, { border, inner }: Halo): Generator<void, CutTile, void> {
  const x = Math.max(core.x - inner, -border);
  const y = Math.max(core.y - inner, -border);
  const width = Math.min(core.x + core.width + inner, image.width + border) - x;
  const height = Math.min(core.y + core.height + inner, image.height + border) - y;
  const pixels = new Uint32Array(width * height);
  const data = new Uint8ClampedArray(pixels.buffer); // `image.data` need not be aligned
  const left = Math.max(x, 0);
  const right = Math.min(x + width, image.width);
  const before = left - x;
  const rows = Math.ceil(STEP / (4 * width));
  let source = pixelsOf(image);
  for (let row = 0; row < height; row++) {
    if (row > 0 && row % rows === 0) {
      yield;
      source = pixelsOf(image);
    }
    const from = Math.min(Math.max(y + row, 0), image.height - 1) * image.width;
    const start = row * width + before;
    const end = start + right - left;
    data.set(source.subarray(4 * (from + left), 4 * (from + right)), 4 * start);
    pixels.fill(pixels[start], row * width, start);
    pixels.fill(pixels[end - 1], end, (row + 1) * width);
  }
  return { image: { data, width, height }, core: { ...core, x: core.x - x, y: core.y - y } };
}

export function cutTile(image: RawImage, core: Rectangle, halo: Halo): CutTile {
  const steps = cutting(image, core, halo);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Whoever had the thread may have transferred them. @throws {CarafeError} UnsupportedImage */
export function pixelsOf({ data, width, height }: RawImage): ClampedBytes {
  const bytes = width * height * 4;
  const pixels = stillThere(data, bytes);
  if (pixels) return pixels;
  throw expected('UnsupportedImage', 'image', `${bytes} bytes until the call settles`, 'none');
}

/** The tile to (x, y) of an image. */
export function* pasting(image: RawImage, tile: RawImage, x: number, y: number): Generator<void, void, void> {
  const rows = Math.ceil(STEP / (4 * tile.width));
  for (let row = 0; row < tile.height; row++) {
    if (row > 0 && row % rows === 0) yield;
    image.data.set(
      tile.data.subarray(row * tile.width * 4, (row + 1) * tile.width * 4),
      ((y + row) * image.width + x) * 4,
    );
  }
}

/** Whether any pixel is not opaque. @throws {CarafeError} as cutting() */
export function* findingAlpha(image: RawImage): Generator<void, boolean, void> {
  for (let start = 0; start < image.width * image.height * 4; start += STEP) {
    if (start > 0) yield;
    if (!isOpaque(pixelsOf(image).subarray(start, start + STEP))) return true;
  }
  return false;
}
