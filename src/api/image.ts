// Images in and out of the API. The only file that touches DOM types; each is looked for before it is used, so that importing the
// package in Node or on a server touches nothing.
//
// A canvas is not believed: beyond a browser's limits (65,535 pixels a side in Chromium, 16.7 megapixels in all on iOS) it is there,
// takes drawings and reads as zeros. So pixels are read through a small one, and each canvas proves by a probe that it holds what is drawn.
import { CarafeError, expected } from '../core/errors.js';
import type { ClampedBytes, Global } from '../core/platform.js';
import { tagOf } from '../core/tag.js';
import type { ColorSpace, RawImage, RgbaPixels } from '../core/tensor.js';
import { inSlices, turn } from '../core/turn.js';
import { pasting, planTiles } from '../engine/tiles.js';
import { checkImageSize, checkPixels } from './options.js';

/**
 * Pixels and ImageData are taken as they are, display-p3 included. What else a browser can draw is read in sRGB: an encoded file (a Blob, a
 * Response; EXIF orientation is applied once, by the browser), elements that have loaded, the frame that a video shows.
 */
export type ImageInput =
  | RgbaPixels
  | Global<'ImageData'>
  | Global<'Blob'>
  | Global<'Response'>
  | Global<'ImageBitmap'>
  | Global<'OffscreenCanvas'>
  | Global<'HTMLCanvasElement'>
  | Global<'HTMLImageElement'>
  | Global<'HTMLVideoElement'>
  | Global<'VideoFrame'>;

/** A canvas to draw on. */
export type CanvasTarget = Global<'HTMLCanvasElement'> | Global<'OffscreenCanvas'>;

/** What a canvas draws: the names of its size, and what it has to be to have one. */
const DRAWABLE: Readonly<Record<string, readonly [width: string, height: string, alive: string]>> = {
  ImageBitmap: ['width', 'height', 'an ImageBitmap that is not closed'],
  OffscreenCanvas: ['width', 'height', 'a canvas of at least 1x1 pixels'],
  HTMLCanvasElement: ['width', 'height', 'a canvas of at least 1x1 pixels'],
  HTMLImageElement: ['naturalWidth', 'naturalHeight', 'an <img> that has loaded (await image.decode() first)'],
  HTMLVideoElement: ['videoWidth', 'videoHeight', 'a <video> that shows a frame (wait for its "loadeddata" event)'],
  VideoFrame: ['displayWidth', 'displayHeight', 'a VideoFrame that is not closed'],
};

/** What people try, and what to do instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  String: 'an image (for a URL: await fetch(url))',
  URL: 'an image (for a URL: await fetch(url))',
  ArrayBuffer: 'an image (for the bytes of a file: new Blob([bytes]))',
  Uint8Array: 'an image (for the bytes of a file: new Blob([bytes]); for RGBA: { data, width, height })',
  Uint8ClampedArray: 'an image ({ data, width, height })',
  Promise: 'an image (await it first)',
};

export const STRIP = 512; // side of the canvas that pixels pass through: 1 MB, 2 ms (Chromium; 1024: 10 ms, and no faster in all)

/**
 * Any input as RGBA8, checked to be enlargeable by `scale`, and the file that it was in.
 * @throws {CarafeError} UnsupportedImage, ImageTooLarge, OutOfMemory
 */
export async function toRawImage(input: ImageInput, scale: number): Promise<{ image: RawImage; file?: Blob }> {
  const tag = tagOf(input);
  if (tag === 'Response' || tag === 'Blob' || tag === 'File') {
    const file = tag === 'Response' ? await bodyOf(input as Response) : (input as Blob);
    return { image: await decode(file, scale), file };
  }
  if (Object.hasOwn(DRAWABLE, tag)) return { image: await read(input as CanvasImageSource, tag, scale) };
  if (typeof input === 'object' && input !== null && 'data' in input)
    return { image: await toBytes(checkPixels(input as RgbaPixels, scale)) };
  throw expected('UnsupportedImage', 'image', INSTEAD[tag] ?? 'an image', input);
}

const HEAD = 2 ** 18; // bytes: a JPEG's tables stand behind EXIF, a thumbnail and a profile, of 64 kB each

/** A copy of the first bytes of a file. */
export async function headOf(file: Blob | Uint8Array | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const head = file?.slice(0, HEAD);
  return head && 'arrayBuffer' in head ? new Uint8Array(await head.arrayBuffer()) : head && Uint8Array.from(head);
}

/** Room for RGBA8. @throws {CarafeError} OutOfMemory */
export function allocateImage(width: number, height: number): RawImage {
  const bytes = width * height * 4;
  try {
    return { data: new Uint8ClampedArray(bytes), width, height };
  } catch {
    throw new CarafeError(
      'OutOfMemory',
      `Expected memory for ${width}x${height} pixels, got none for ${bytes} bytes: free some, or take the result by tiles()`,
    );
  }
}

/** Floats of 0..1 become bytes; bytes stay where they are, which may be shared memory: they are only read. */
export async function toBytes({ data, width, height, colorSpace }: Required<RgbaPixels>): Promise<RawImage> {
  const space = colorSpace === 'srgb' ? {} : { colorSpace };
  if (tagOf(data) === 'Uint8ClampedArray') return { data: data as ClampedBytes, width, height, ...space };
  if (tagOf(data) === 'Uint8Array') {
    const { buffer, byteOffset, length } = data as Uint8Array;
    return { data: new Uint8ClampedArray(buffer, byteOffset, length) as ClampedBytes, width, height, ...space };
  }
  const image = allocateImage(width, height);
  for (let start = 0; start < data.length; start += STRIP * STRIP) {
    if (start > 0) await turn();
    const end = Math.min(start + STRIP * STRIP, data.length);
    for (let i = start; i < end; i++) image.data[i] = data[i] * 255; // rounded and clamped by the array
  }
  return { ...image, ...space };
}

async function bodyOf(response: Response): Promise<Blob> {
  if (!response.ok)
    throw expected('UnsupportedImage', 'image', 'a Response with an image', `${response.status} of ${response.url}`);
  return response.blob().catch((cause: Error) => {
    throw expected('UnsupportedImage', 'image', 'a Response whose body can be read, once', cause.message);
  });
}

async function decode(file: Blob, scale: number): Promise<RawImage> {
  if (typeof createImageBitmap !== 'function')
    throw expected('UnsupportedImage', 'image', 'RGBA pixels (this runtime decodes no files)', file);
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: 'none' }).catch((cause: Error) => {
    throw expected(
      'UnsupportedImage',
      'image',
      'a file that this browser can decode',
      `${file.type || 'a Blob'} of ${file.size} bytes: ${cause.message}`,
    );
  });
  try {
    checkImageSize(bitmap.width, bitmap.height, scale);
    return await readPixels(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

async function read(source: CanvasImageSource, tag: string, scale: number): Promise<RawImage> {
  if (typeof OffscreenCanvas !== 'function')
    throw expected('UnsupportedImage', 'image', 'RGBA pixels (this runtime has no canvas)', source);
  const { width, height } = shownSize(source, tag);
  checkImageSize(width, height, scale); // before anything is allocated
  if (tag === 'ImageBitmap') return readPixels(source, width, height);
  // What the source shows now: a video plays on, and a canvas is drawn on, while strips are read. An SVG without a size refuses; it does not change.
  const shown = await createImageBitmap(source as ImageBitmapSource).catch(() => undefined);
  try {
    return await readPixels(shown ?? source, width, height);
  } finally {
    shown?.close();
  }
}

function shownSize(source: unknown, tag: string): { width: number; height: number } {
  const [widthName, heightName, alive] = DRAWABLE[tag];
  const { [widthName]: width, [heightName]: height } = source as Record<string, number>;
  if (!width || !height || !isReady(source, tag)) throw expected('UnsupportedImage', 'image', alive, source);
  return { width, height };
}

/**
 * The size of what a browser draws as it is, checked to be enlargeable; undefined for files and pixels.
 * @throws {CarafeError} UnsupportedImage if it has none yet, ImageTooLarge
 */
export function drawableSize(input: ImageInput, scale: number): { width: number; height: number } | undefined {
  const tag = tagOf(input);
  if (!Object.hasOwn(DRAWABLE, tag)) return undefined;
  const size = shownSize(input, tag);
  checkImageSize(size.width, size.height, scale);
  return size;
}

/** An element may know its size before it has pixels, and draws nothing then. */
function isReady(source: unknown, tag: string): boolean {
  if (tag === 'HTMLImageElement') return (source as HTMLImageElement).complete;
  return tag !== 'HTMLVideoElement' || (source as HTMLVideoElement).readyState >= 2; // HAVE_CURRENT_DATA
}

/** @throws {CarafeError} UnsupportedImage for pixels of another site, ImageTooLarge for a canvas that holds nothing, OutOfMemory */
async function readPixels(source: CanvasImageSource, width: number, height: number): Promise<RawImage> {
  const image = allocateImage(width, height);
  const tiles = planTiles(width, height, STRIP);
  const context = openCanvas(Math.min(width, STRIP), Math.min(height, STRIP) + 1); // below the pixels a row for the probe
  context.imageSmoothingEnabled = false;
  for (const [i, tile] of tiles.entries()) {
    if (i > 0) await turn();
    const { x, y, width: w, height: h } = tile;
    context.clearRect(0, 0, w, h);
    context.fillRect(0, h, 1, 1);
    const data = drawAndRead(context, source, tile);
    if (data[4 * w * h + 3] !== 255) throw blank(w, h);
    await inSlices(pasting(image, { data: data.subarray(0, 4 * w * h), width: w, height: h }, x, y));
  }
  return image;
}

/** The pixels of a part of the source, and a row of the canvas below them. */
function drawAndRead(
  context: OffscreenCanvasRenderingContext2D,
  source: CanvasImageSource,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): ClampedBytes {
  try {
    context.drawImage(source, x, y, width, height, 0, 0, width, height);
    return context.getImageData(0, 0, width, height + 1).data as ClampedBytes;
  } catch (cause) {
    const { name, message } = cause as Error;
    if (name === 'SecurityError')
      throw expected(
        'UnsupportedImage',
        'image',
        'pixels that this page may read (its own site, or crossorigin="anonymous" and a server that allows it)',
        'those of another site',
      );
    throw expected('UnsupportedImage', 'image', 'an image that can be drawn (was it closed?)', message);
  }
}

/** A canvas that has been seen to hold a pixel in its last corner. @throws {CarafeError} ImageTooLarge */
export function openCanvas(
  width: number,
  height: number,
  colorSpace: ColorSpace = 'srgb',
): OffscreenCanvasRenderingContext2D {
  try {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, colorSpace })!;
    context.fillRect(width - 1, height - 1, 1, 1);
    const holds = context.getImageData(width - 1, height - 1, 1, 1).data[3] === 255;
    context.clearRect(width - 1, height - 1, 1, 1);
    if (holds) return context;
  } catch {
    // no context, or one that refuses: too large too
  }
  throw blank(width, height);
}

function blank(width: number, height: number): CarafeError {
  return expected(
    'ImageTooLarge',
    'image',
    `at most what a canvas of this browser holds`,
    `${width}x${height}, which it leaves blank`,
  );
}
