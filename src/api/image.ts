// Images in and out of the API. The only file that touches DOM types; each is looked for before it is used, so that importing the
// package in Node or on a server touches nothing.
import { CarafeError, expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { checkImage, checkImageSize } from './options.js';

/** Blob: an encoded image file; browsers only, like the elements and bitmaps. EXIF orientation is applied once, by the browser. */
export type ImageInput =
  | RgbaPixels
  | Global<'ImageData'>
  | Global<'ImageBitmap'>
  | Global<'Blob'>
  | Global<'OffscreenCanvas'>
  | Global<'HTMLCanvasElement'>
  | Global<'HTMLImageElement'>
  | Global<'VideoFrame'>;

/** RGBA8, straight alpha, sRGB, row-major; `data.length` is width * height * 4. A Buffer will do. */
export interface RgbaPixels {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Any input as RGBA8, checked to be enlargeable by `scale`. @throws {CarafeError} UnsupportedImage, ImageTooLarge */
export async function toRawImage(input: ImageInput, scale: number): Promise<RawImage> {
  if (typeof input !== 'object' || input === null) throw expected('UnsupportedImage', 'image', 'an image', input);
  if ('data' in input) return checkImage(input, scale);
  if (input instanceof Blob) {
    if (typeof createImageBitmap !== 'function')
      throw expected('UnsupportedImage', 'image', 'RGBA pixels (this runtime decodes no files)', input);
    const bitmap = await createImageBitmap(input, { premultiplyAlpha: 'none' }).catch((cause: Error) => {
      throw expected(
        'UnsupportedImage',
        'image',
        'a file this browser can decode',
        `${input.type || 'a blob'}: ${cause.message}`,
      );
    });
    try {
      return readPixels(bitmap, bitmap.width, bitmap.height, scale);
    } finally {
      bitmap.close();
    }
  }
  const { width, height } = sizeOf(input);
  return readPixels(input as CanvasImageSource, width, height, scale);
}

function sizeOf(input: object): { width: number; height: number } {
  const { naturalWidth, naturalHeight, displayWidth, displayHeight, width, height } = input as Record<
    string,
    number | undefined
  >;
  return { width: naturalWidth ?? displayWidth ?? width ?? 0, height: naturalHeight ?? displayHeight ?? height ?? 0 };
}

function readPixels(source: CanvasImageSource, width: number, height: number, scale: number): RawImage {
  if (typeof OffscreenCanvas !== 'function')
    throw expected('UnsupportedImage', 'image', 'RGBA pixels (this runtime has no canvas)', source);
  checkImageSize(width, height, scale); // before anything is allocated
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context)
    throw new CarafeError(
      'ImageTooLarge',
      `Expected a canvas of ${width}x${height} for "image", got none from this browser`,
    );
  context.drawImage(source, 0, 0);
  return checkImage(context.getImageData(0, 0, width, height), scale);
}

/** Encodes an image; browsers only. `type` as for canvases: 'image/png' (default), 'image/jpeg', 'image/webp'. @throws {CarafeError} UnsupportedImage */
export async function toBlob(image: RawImage, type = 'image/png', quality?: number): Promise<Global<'Blob'>> {
  if (typeof OffscreenCanvas !== 'function')
    throw expected('UnsupportedImage', 'image', 'a runtime with OffscreenCanvas', 'none');
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')!.putImageData(toImageData(image), 0, 0);
  return canvas.convertToBlob({ type, quality });
}

/** For drawing; browsers only. */
export function toImageBitmap(image: RawImage): Promise<Global<'ImageBitmap'>> {
  return createImageBitmap(toImageData(image));
}

function toImageData({ data, width, height }: RawImage): ImageData {
  return new ImageData(data, width, height);
}
