import { hasSizeOfPixelArt } from '../engine/pixel-art-size.js';
import { type ImageInput, toRawImage } from './image.js';

/**
 * Whether an image was drawn pixel by pixel: few colours, areas, hard edges. Such images want `model: 'nearest'`. Says no where it could
 * as well be a rendered text, a logo or a photograph, and of images with a side over 320 pixels.
 * @throws {CarafeError} UnsupportedImage, ImageTooLarge
 * @example
 * const image = { data: new Uint8ClampedArray(16 * 16 * 4), width: 16, height: 16 };
 * const model = (await isPixelArt(image)) ? 'nearest' : 'base'; // 'base': it has one colour
 */
export async function isPixelArt(image: ImageInput): Promise<boolean> {
  const { image: raw } = await toRawImage(image, 1);
  return hasSizeOfPixelArt(raw) && (await import('../engine/pixel-art.js')).isPixelArt(raw);
}
