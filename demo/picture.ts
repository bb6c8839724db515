// A picture that was opened: its file, which goes to the upscaler as it is, and a bitmap of it for drawing.
import { context2d } from './dom.js';

export interface Picture {
  readonly id: number;
  readonly name: string;
  readonly file: Blob;
  readonly bitmap: ImageBitmap;
  readonly width: number;
  readonly height: number;
  readonly thumbnail: HTMLCanvasElement;
}

let count = 0;

/** @throws if the browser cannot decode it */
export async function openPicture(file: Blob, name: string): Promise<Picture> {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  return { id: count++, name, file, bitmap, width, height, thumbnail: thumbnailOf(bitmap, 104, 104) };
}

/** The middle of the picture, filling the canvas. */
export function thumbnailOf(bitmap: ImageBitmap, width: number, height: number): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  return canvas;
}

/** "photo.jpg" at 2x as WebP: "photo@2x.webp". */
export function resultName(name: string, scale: number, type: string): string {
  return `${name.replace(/\.[^.]+$/, '')}@${scale}x.${type === 'image/jpeg' ? 'jpg' : type.slice('image/'.length)}`;
}

/** Its pixels, as a canvas gives them. */
export function pixelsOf({ bitmap, width, height }: Picture): ImageData {
  const context = context2d(new OffscreenCanvas(width, height), true);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}
