// One tile through the network: RGBA8 -> planes -> carafe-luma and bicubic chroma -> RGBA8 of the core.
import type { Backend, Rectangle } from '../backends/backend.js';
import type { RawImage } from '../core/tensor.js';
import { BLEED_RADIUS, bleedColours } from './alpha.js';
import { type CarafeLuma, upscaleLuma } from './networks/carafe-luma.js';

export interface TileJob {
  /** The core and `halo` pixels around it. */
  readonly image: RawImage;
  readonly halo: number;
  /** Whether any pixel of the whole image is not opaque: decided once for all tiles, so that they agree. */
  readonly alpha: boolean;
}

/** Extra input pixels a side that a tile needs. */
export function tileHalo(net: CarafeLuma, alpha: boolean): number {
  return net.halo + (alpha ? BLEED_RADIUS : 0);
}

export async function upscaleTile(backend: Backend, net: CarafeLuma, { image, halo, alpha }: TileJob): Promise<RawImage> {
  const { scale } = net;
  const visible = alpha ? bleedColours(image) : image;
  const crop: Rectangle = { x: halo * scale, y: halo * scale, width: (image.width - 2 * halo) * scale, height: (image.height - 2 * halo) * scale };
  const data = await backend.runPixels((ops) => {
    const { luma, chroma } = ops.pixelsToPlanes(ops.inputPixels(visible), alpha);
    const bigLuma = upscaleLuma(ops, net, luma);
    const bigChroma = ops.resize(chroma, image.height * scale, image.width * scale, 'bicubic', -0.5);
    return ops.planesToPixels(bigLuma, bigChroma, crop);
  });
  return { data, width: crop.width, height: crop.height };
}
