// One tile through the network: RGBA8 -> planes -> carafe-luma and bicubic chroma -> RGBA8 of the core.
import { type Backend, BLOCK } from '../backends/backend.js';
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

export async function upscaleTile(backend: Backend, net: CarafeLuma, { image, core, alpha }: TileJob): Promise<RawImage> {
  const { scale } = net;
  const visible = alpha ? bleedColours(image) : image;
  const crop = { x: core.x * scale, y: core.y * scale, width: core.width * scale, height: core.height * scale };
  const data = await backend.runPixels((ops) => {
    const { luma, chroma } = ops.pixelsToPlanes(ops.inputPixels(visible), alpha);
    const bigLuma = upscaleLuma(ops, net, luma);
    const bigChroma = ops.resize(chroma, image.height * scale, image.width * scale, 'bicubic', -0.5);
    return ops.planesToPixels(bigLuma, bigChroma, crop);
  });
  return { data, width: crop.width, height: crop.height };
}
