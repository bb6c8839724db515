// What a test leaves behind when two pictures differ.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { expect } from 'vitest';

export interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

const FOLDER = fileURLToPath(new URL('failed/', import.meta.url));
const GAIN = 16; // of the difference, so that one step is seen

/** Writes got, want and their difference, 16-fold and without alpha, as PNGs. @returns where */
export async function writePictures(name: string, got: Picture, want: Picture): Promise<string> {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, name.replace(/[^\w.-]+/g, '-').slice(0, 120));
  const difference = want.data.map((value, i) => (i % 4 === 3 ? 255 : GAIN * Math.abs((got.data[i] ?? 255) - value)));
  const pictures = { got, want, difference: { ...want, data: difference } };
  for (const [kind, { data, width, height }] of Object.entries(pictures))
    await sharp(data, { raw: { width, height, channels: 4 } })
      .png()
      .toFile(`${path}-${kind}.png`);
  return `${path}-{${Object.keys(pictures).join(',')}}.png`;
}

/** @throws {Error} that says where the pictures are, if a byte differs by more than `maxDifference`. */
export async function assertSamePicture(got: Picture, want: Picture, maxDifference = 0): Promise<void> {
  const sameSize = got.width === want.width && got.height === want.height;
  let count = 0;
  let max = 0;
  for (let i = 0; sameSize && i < want.data.length; i++) {
    const difference = Math.abs(got.data[i] - want.data[i]);
    if (difference > maxDifference) count++;
    max = Math.max(max, difference);
  }
  if (sameSize && count === 0) return;
  const where = await writePictures(expect.getState().currentTestName!, got, want);
  if (!sameSize)
    throw new Error(`${got.width}x${got.height} pixels, expected ${want.width}x${want.height}; see ${where}`);
  throw new Error(`${count} bytes differ by more than ${maxDifference}, by ${max} at most; see ${where}`);
}
