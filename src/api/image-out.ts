// Images out of the API, behind the calls of results.ts: files and bitmaps.
import { expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import { tagOf } from '../core/tag.js';
import type { RawImage, RgbaPixels } from '../core/tensor.js';
import { turn } from '../core/turn.js';
import { openCanvas, STRIP, toBytes } from './image.js';
import { checkPixels } from './options.js';

const FORMAT_LIMITS: Readonly<Record<string, number>> = { 'image/webp': 16383, 'image/jpeg': 65500 }; // WebP's, libjpeg's: Chromium crops beyond them

/** toBlob() of results.ts. */
export async function encode(image: RgbaPixels, type: string, quality?: number): Promise<Global<'Blob'>> {
  const { data, width, height, colorSpace } = await toBytes(checkPixels(image, 1));
  if (typeof OffscreenCanvas !== 'function')
    throw expected('UnsupportedImage', 'image', 'a runtime with OffscreenCanvas', 'none');
  if (quality !== undefined && !(typeof quality === 'number' && quality >= 0 && quality <= 1))
    throw expected('InvalidOption', 'quality', 'a number of 0..1', quality);
  if (!(await writes(type))) {
    const types = ['image/png', 'image/jpeg', 'image/webp'];
    const written = await Promise.all(types.map(writes));
    const known = types.filter((_, i) => written[i]).map((each) => `"${each}"`);
    throw expected('InvalidOption', 'type', `a type that this browser writes (${known.join(', ')})`, type);
  }
  const limit = FORMAT_LIMITS[type];
  if (Math.max(width, height) > limit)
    throw expected('ImageTooLarge', 'image', `at most ${limit} pixels a side in ${type}`, `${width}x${height}`);
  const context = openCanvas(width, height, colorSpace);
  context.globalCompositeOperation = 'destination-over'; // of the white below a JPEG
  context.fillStyle = 'white';
  for (let y = 0, rows = Math.max(1, Math.floor(STRIP ** 2 / width)); y < height; y += rows) {
    if (y > 0) await turn();
    const strip = new Uint8ClampedArray(data.subarray(4 * width * y, 4 * width * (y + rows))); // a copy: ImageData takes no shared memory
    context.putImageData(toImageData({ data: strip, width, height: strip.length / (4 * width), colorSpace }), 0, y);
    if (type === 'image/jpeg') context.fillRect(0, y, width, rows);
  }
  return context.canvas.convertToBlob({ type, quality }).catch((cause: Error) => {
    throw expected('ImageTooLarge', 'image', `${width}x${height} pixels that this browser can encode`, cause.message);
  });
}

/** Browsers write a PNG for a type that they do not know. */
async function writes(type: string): Promise<boolean> {
  const canvas = new OffscreenCanvas(1, 1);
  canvas.getContext('2d');
  return (await canvas.convertToBlob({ type })).type === type;
}

/** toImageBitmap() of results.ts. */
export async function bitmapOf(image: RgbaPixels): Promise<Global<'ImageBitmap'>> {
  const { data, width, height, colorSpace } = await toBytes(checkPixels(image, 1));
  if (typeof createImageBitmap !== 'function')
    throw expected('UnsupportedImage', 'image', 'a runtime with createImageBitmap', 'none');
  return createImageBitmap(toImageData({ data, width, height, colorSpace })).catch((cause: Error) => {
    throw expected('ImageTooLarge', 'image', `an ImageBitmap of ${width}x${height}`, cause.message);
  });
}

/** @throws {CarafeError} UnsupportedImage for a colour space that this browser does not know */
export function toImageData({ data, width, height, colorSpace = 'srgb' }: RawImage): ImageData {
  const own = tagOf(data.buffer) === 'ArrayBuffer' ? data : new Uint8ClampedArray(data); // ImageData takes no shared memory
  const image = new ImageData(own as Uint8ClampedArray<ArrayBuffer>, width, height, { colorSpace });
  if ((image.colorSpace ?? 'srgb') !== colorSpace)
    // Firefox has no such property: all is sRGB
    throw expected('UnsupportedImage', 'image', 'a browser that knows its colorSpace', colorSpace);
  return image;
}
