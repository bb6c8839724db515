// What an image went through, from a JPEG's tables and from pixels alone: qualities, chroma at half and full
// resolution, crops, noise.
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { imresize } from '../bench/imresize.js';
import { readPair } from '../bench/quality.js';
import type { RawImage } from '../src/core/tensor.js';
import { type Degradation, measureDegradation } from '../src/engine/degradation.js';
import { jpegQuality } from '../src/engine/jpeg-quality.js';
import { sampleLuma } from '../src/engine/luma-windows.js';
import { Random } from './random.js';

const { small: clean } = await readPair(new URL('../examples/sample.jpg', import.meta.url).pathname, 2);

const measure = (image: RawImage): Degradation => measureDegradation(sampleLuma(image));

async function file(image: RawImage, quality: number, chromaSubsampling: string): Promise<Buffer> {
  const { data, width, height } = image;
  return sharp(data, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .jpeg({ quality, chromaSubsampling })
    .toBuffer();
}

/** The decoded file from column x and row y on. */
async function decoded(bytes: Buffer, x = 0, y = 0): Promise<RawImage> {
  const { width, height } = await sharp(bytes).metadata();
  const area = { left: x, top: y, width: width - x, height: height - y };
  const data = await sharp(bytes).extract(area).ensureAlpha().raw().toBuffer();
  return { data: new Uint8ClampedArray(data), width: area.width, height: area.height };
}

function noisy({ data, width, height }: RawImage, sigma: number): RawImage {
  const random = new Random(7);
  return { data: data.map((v, i) => (i % 4 === 3 ? v : Math.round(v + sigma * random.normal()))), width, height };
}

describe('the quality of a JPEG', () => {
  const cases = [40, 50, 60, 75, 90, 95].flatMap((quality) =>
    ['4:2:0', '4:4:4'].map((subsampling) => ({ quality, subsampling })),
  );

  test.each(cases)('$quality, $subsampling: from its tables', async ({ quality, subsampling }) => {
    const bytes = await file(clean, quality, subsampling);
    expect(jpegQuality(bytes)).toBe(quality);
    expect(jpegQuality(bytes.subarray(0, 40))).toBeUndefined();
  });

  test.each(cases)('$quality, $subsampling: from its pixels, whole and cropped', async ({ quality, subsampling }) => {
    const bytes = await file(clean, quality, subsampling);
    for (const [x, y] of [
      [0, 0],
      [3, 5],
    ]) {
      const { jpeg } = measure(await decoded(bytes, x, y));
      expect(Math.abs((jpeg ?? 0) - quality)).toBeLessThanOrEqual(2);
    }
  });

  test('files that are none, or end too early, have none', () => {
    for (const bytes of [
      [],
      [0x89, 0x50, 0x4e, 0x47],
      [0xff, 0xd8],
      [0xff, 0xd8, 0xff, 0xdb, 0, 0],
      [0xff, 0xd8, 1, 2, 3, 4],
    ])
      expect(jpegQuality(Uint8Array.from(bytes))).toBeUndefined();
  });
});

describe('what is clean', () => {
  test.each([
    ['a photograph', clean],
    ['half of it', imresize(clean, Math.floor(clean.width / 2), Math.floor(clean.height / 2)) as RawImage],
    ['noise alone', noisy({ ...clean, data: clean.data.map((_, i) => (i % 4 === 3 ? 255 : 128)) }, 20)],
    ['one colour', { ...clean, data: clean.data.map(() => 90) }],
    ['nothing', { data: new Uint8ClampedArray(4), width: 1, height: 1 }],
  ])('%s shows no compression', (_, image) => {
    expect(measure(image).jpeg).toBeUndefined();
  });
});

test('noise is measured', () => {
  const luma = Math.hypot(0.299, 0.587, 0.114); // of noise that differs from channel to channel
  const before = measure(clean).noise;
  expect(before).toBeLessThan(2);
  for (const sigma of [5, 10]) {
    const { noise } = measure(noisy(clean, sigma));
    expect(noise).toBeGreaterThan(0.6 * sigma * luma);
    expect(noise).toBeLessThan(1.4 * Math.hypot(sigma * luma, before));
  }
});
