// Tiles through the network: RGBA8 -> planes -> carafe-luma and bicubic chroma -> RGBA8 of the core.
import { type Backend, BLOCK, type DevicePixels, type Ops } from '../backends/backend.js';
import type { ClampedBytes } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { BLEED_RADIUS, bleedColours } from './alpha.js';
import { type CarafeLuma, upscaleLuma } from './networks/carafe-luma.js';
import type { CutTile, Halo } from './tiles.js';

export interface TileJob extends CutTile {
  /** Whether any pixel of the whole image is not opaque: decided once for all tiles, so that they agree. */
  readonly alpha: boolean;
}

/** Extra input pixels that a tile needs. */
export function tileHalo(net: CarafeLuma, alpha: boolean): Halo {
  const onGrid = (pixels: number): number => Math.ceil((pixels + (alpha ? BLEED_RADIUS : 0)) / BLOCK) * BLOCK;
  return { border: onGrid(net.halo), inner: onGrid(net.reach) };
}

/** All tiles as one program. */
export async function runTiles(backend: Backend, net: CarafeLuma, jobs: readonly TileJob[]): Promise<RawImage[]> {
  const ready = jobs.map((job) => (job.alpha ? { ...job, image: bleedColours(job.image) } : job));
  const results = await backend.runPixels((ops) => ready.map((job) => tileProgram(ops, net, job)));
  return results.map((data, i) => ({
    data: data as ClampedBytes,
    width: jobs[i].core.width * net.scale,
    height: jobs[i].core.height * net.scale,
  }));
}

/** RGBA8 of the tile -> RGBA8 of its core, enlarged. */
export function tileProgram(ops: Ops, net: CarafeLuma, { image, core, alpha }: TileJob): DevicePixels {
  const { scale } = net;
  const { luma, chroma } = ops.pixelsToPlanes(ops.inputPixels(image), alpha);
  const bigLuma = upscaleLuma(ops, net, luma);
  const result = ops.planesToPixels(bigLuma, chroma, {
    x: core.x * scale,
    y: core.y * scale,
    width: core.width * scale,
    height: core.height * scale,
  });
  ops.free(luma, chroma, bigLuma);
  return result;
}
