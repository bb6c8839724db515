// Tiles: which rectangles an image is processed in, and how one is cut from it and pasted back. Pure.
// A tile is cut with `halo` extra pixels a side from the edge-replicated image and only its core is kept, so that no output pixel
// depends on where a tile ends: tiled equals whole, bit for bit.
import type { Rectangle } from '../backends/backend.js';
import type { RawImage } from '../core/tensor.js';

/** Rectangles of at most tile x tile that cover width x height, row by row, of as equal sizes as possible. */
export function planTiles(width: number, height: number, tile: number): Rectangle[] {
  const columns = split(width, tile);
  const rows = split(height, tile);
  return rows.flatMap(([y, h]) => columns.map(([x, w]) => ({ x, y, width: w, height: h })));
}

/** Cuts 0..size into the fewest pieces of at most `tile`: [start, length]. */
function split(size: number, tile: number): [number, number][] {
  const pieces = Math.ceil(size / tile);
  const starts = Array.from({ length: pieces + 1 }, (_, i) => Math.floor((i * size) / pieces));
  return starts.slice(1).map((end, i) => [starts[i], end - starts[i]]);
}

/** The core rectangle and `halo` pixels around it; outside the image the nearest edge pixel. */
export function cutTile(image: RawImage, core: Rectangle, halo: number): RawImage {
  const width = core.width + 2 * halo;
  const height = core.height + 2 * halo;
  const from = pixels(image);
  const to = new Uint32Array(width * height);
  const left = Math.max(core.x - halo, 0);
  const right = Math.min(core.x + core.width + halo, image.width);
  const before = left - (core.x - halo);
  for (let y = 0; y < height; y++) {
    const sourceRow = Math.min(Math.max(core.y - halo + y, 0), image.height - 1) * image.width;
    const row = to.subarray(y * width, (y + 1) * width);
    row.set(from.subarray(sourceRow + left, sourceRow + right), before);
    row.fill(row[before], 0, before);
    row.fill(row[before + right - left - 1], before + right - left);
  }
  return { data: new Uint8ClampedArray(to.buffer), width, height };
}

export function pasteTile(image: RawImage, tile: RawImage, x: number, y: number): void {
  for (let row = 0; row < tile.height; row++) {
    image.data.set(tile.data.subarray(row * tile.width * 4, (row + 1) * tile.width * 4), ((y + row) * image.width + x) * 4);
  }
}

/** The image as 32-bit pixels; copies only what is not aligned. */
function pixels({ data, width, height }: RawImage): Uint32Array {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, width * height);
}
