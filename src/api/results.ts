// toBlob(), toImageBitmap(): for what comes out. What they do is a chunk of its own (image-out.ts).
import type { Global } from '../core/platform.js';
import type { RgbaPixels } from '../core/tensor.js';

/**
 * Encodes an image; browsers only. `type`: 'image/png' (default), 'image/jpeg' (transparent parts become white), 'image/webp' where the browser
 * writes it. `quality`: 0..1, of JPEG and WebP. The file says its colour space.
 * @throws {CarafeError} InvalidOption for a type that this browser does not write, UnsupportedImage, ImageTooLarge
 */
export async function toBlob(image: RgbaPixels, type = 'image/png', quality?: number): Promise<Global<'Blob'>> {
  const { encode } = await import('./image-out.js');
  return encode(image, type, quality);
}

/** For drawing, in the image's colour space; browsers only. @throws {CarafeError} UnsupportedImage, ImageTooLarge */
export async function toImageBitmap(image: RgbaPixels): Promise<Global<'ImageBitmap'>> {
  const { bitmapOf } = await import('./image-out.js');
  return bitmapOf(image);
}
