// Which pictures may be pixel art, by their size: apart from pixel-art.ts, which is loaded for those only.
import type { RawImage } from '../core/tensor.js';

const LARGEST_SIDE = 320; // of old screens
const SMALLEST_SIDE = 8;

export function hasSizeOfPixelArt({ width, height }: Pick<RawImage, 'width' | 'height'>): boolean {
  return Math.max(width, height) <= LARGEST_SIDE && Math.min(width, height) >= SMALLEST_SIDE;
}
