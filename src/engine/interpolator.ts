// Enlargement by interpolation instead of a network: RGBA8 -> R, G, B and alpha as images, the colours multiplied by
// alpha -> interpolation -> RGBA8 of the tile's core.
import { type Backend, BLOCK } from '../backends/backend.js';
import type { RawImage, Shape } from '../core/tensor.js';
import type { ModelFile } from '../models/safetensors.js';
import { type Interpolation, interpolate, loadInterpolation } from './networks/interpolation.js';
import type { Restore } from './restore.js';
import { type Halo, TILE, type TileJob, whiteTile } from './tiles.js';

/** @throws {CarafeError} ModelInvalid */
export function openInterpolation(backend: Backend, file: ModelFile, side = TILE) {
  const interpolation = loadInterpolation(backend, file);
  const { scale } = interpolation;
  const reach = Math.ceil(interpolation.halo / BLOCK) * BLOCK;
  const halo: Halo = { border: reach, inner: reach };
  const tile = (job: TileJob): Promise<RawImage> => enlargeTile(backend, interpolation, job);
  const fixed: Restore = { value: 0, reason: 'no network' };
  const facts = {
    scale,
    halo: { opaque: halo, alpha: halo },
    tile: side,
    modelName: file.metadata.name ?? 'unnamed',
    fixed,
  };
  const restore = async (): Promise<Restore> => fixed;
  return { facts, programs: { tile, restore }, probe: (side: number) => tile(whiteTile(side, reach)) };
}

async function enlargeTile(
  backend: Backend,
  interpolation: Interpolation,
  { image, core, alpha }: TileJob,
): Promise<RawImage> {
  const { scale } = interpolation;
  const shape: Shape = [alpha ? 4 : 3, image.height, image.width, 1];
  const planes = await backend.run((ops) => interpolate(ops, interpolation, ops.input(toPlanes(image, alpha), shape)));
  const [width, height] = [core.width * scale, core.height * scale];
  const data = new Uint8ClampedArray(width * height * 4); // which rounds
  const [row, plane] = [image.width * scale, image.width * image.height * scale ** 2];
  for (let i = 0; i < width * height; i++) {
    const at = (core.y * scale + Math.floor(i / width)) * row + core.x * scale + (i % width);
    const opacity = alpha ? planes[3 * plane + at] : 1;
    data[4 * i + 3] = opacity * 255;
    if (data[4 * i + 3] === 0) continue;
    for (let c = 0; c < 3; c++) data[4 * i + c] = (planes[c * plane + at] / opacity) * 255;
  }
  return { data, width, height };
}

/** [3 or 4, h, w, 1]: 0..1, colours multiplied by alpha. */
function toPlanes({ data }: RawImage, alpha: boolean): Float32Array {
  const size = data.length / 4;
  const planes = new Float32Array(size * (alpha ? 4 : 3));
  for (let i = 0; i < size; i++) {
    const opacity = alpha ? data[4 * i + 3] / 255 : 1;
    for (let c = 0; c < 3; c++) planes[c * size + i] = (data[4 * i + c] / 255) * opacity;
    if (alpha) planes[3 * size + i] = opacity;
  }
  return planes;
}
