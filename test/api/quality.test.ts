// Every shipped model on free images, by the literature's protocol: shrunk by MATLAB's bicubic and enlarged by the
// package, as they are at the clean end of the dial, as JPEGs of quality 50 where 'auto' finds best. Floors are gains
// over bicubic in dB of luma, a little under what was measured when the weights came in: they fall when weights,
// kernels or colours break.
import { readdirSync } from 'node:fs';
import { createUpscaler } from 'carafe-web';
import { expect, test } from 'vitest';
import { imresize } from '../../bench/imresize.js';
import { jpeg, psnr, readPair, ssim } from '../../bench/quality.js';
import type { ModelName } from '../../src/models/builtin.js';

const root = new URL('../..', import.meta.url).pathname;
const IMAGES = {
  photo: 'examples/sample.jpg',
  'clip art': 'test/images/car.png',
  text: 'test/images/text.png',
} as const;

const FLOORS: Record<string, Record<keyof typeof IMAGES, number>> = {
  'base-x2': { photo: 1.28, 'clip art': 8.19, text: 3.1 },
  'base-x3': { photo: 0.6, 'clip art': 4.8, text: 1.3 },
  'base-x4': { photo: 0.5, 'clip art': 3, text: 0.9 },
  'large-x2': { photo: 1.4, 'clip art': 9.1, text: 4.1 },
  'large-x3': { photo: 0.65, 'clip art': 5.35, text: 1.55 },
  'large-x4': { photo: 0.6, 'clip art': 3.6, text: 1.1 },
  'tiny-x2': { photo: 0.87, 'clip art': 5.1, text: 1.7 },
  'tiny-x3': { photo: 0.47, 'clip art': 2.6, text: 0.64 },
  'tiny-x4': { photo: 0.48, 'clip art': 1.9, text: 0.49 },
  'xl-x2': { photo: 1.46, 'clip art': 10.1, text: 5.3 },
  'xl-x4': { photo: 0.68, 'clip art': 4.3, text: 1.38 },
  'small-x2': { photo: 1.1, 'clip art': 6.05, text: 2 },
  'small-x3': { photo: 0.55, 'clip art': 3.85, text: 1 },
  'small-x4': { photo: 0.53, 'clip art': 2.55, text: 0.68 },
};

/**
 * The same of small images that are JPEGs of quality 50. The photograph is one of a JPEG itself: it gains too little at
 * x3 and x4 to have a floor.
 */
const JPEG_FLOORS: Record<string, Partial<Record<keyof typeof IMAGES, number>>> = {
  'tiny-x2': { 'clip art': 2.6, text: 0.9 },
  'tiny-x3': { 'clip art': 1.4, text: 0.39 },
  'tiny-x4': { 'clip art': 0.98, text: 0.29 },
  'small-x2': { photo: 0.04, 'clip art': 3.3, text: 1.08 },
  'small-x3': { 'clip art': 1.9, text: 0.43 },
  'small-x4': { 'clip art': 1.3, text: 0.29 },
  'base-x2': { photo: 0.03, 'clip art': 4, text: 1.45 },
  'base-x3': { 'clip art': 2.3, text: 0.54 },
  'base-x4': { 'clip art': 1.55, text: 0.45 },
  'large-x2': { photo: 0.08, 'clip art': 4.5, text: 1.75 },
  'large-x3': { 'clip art': 2.35, text: 0.6 },
  'large-x4': { 'clip art': 1.57, text: 0.52 },
  'xl-x2': { photo: 0.08, 'clip art': 4.5, text: 1.75 },
  'xl-x4': { 'clip art': 1.57, text: 0.52 },
};

test('every shipped model has its floors', () => {
  expect(Object.keys(FLOORS).sort()).toEqual(
    readdirSync(`${root}models`)
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => name.slice(0, -12))
      .sort(),
  );
});

async function gains(name: string, image: keyof typeof IMAGES, quality?: number) {
  const [, model, digit] = /^(.*)-x(\d)$/.exec(name) as unknown as [string, ModelName, string];
  const scale = Number(digit) as 2 | 3 | 4;
  const { original, small: clean } = await readPair(root + IMAGES[image], scale);
  const { file, ...small } = quality ? await jpeg(clean, quality) : { ...clean, file: undefined };
  const url = new URL(`../../models/${name}.safetensors`, import.meta.url);
  // xl is a file only: over what webpack wants of a chunk
  const upscaler = await createUpscaler({ backend: 'wasm', model: name.startsWith('xl-') ? url : model, scale });
  const ours = { channels: 4, ...(await upscaler.upscale(small, { file, restore: quality ? 'auto' : 0 })) };
  upscaler.dispose();
  const bicubic = imresize(small, original.width, original.height);
  return {
    psnr: psnr(original, ours, scale) - psnr(original, bicubic, scale),
    ssim: ssim(original, ours, scale) - ssim(original, bicubic, scale),
  };
}

for (const [floors, quality] of [[FLOORS], [JPEG_FLOORS, 50]] as const) {
  for (const [name, ofModel] of Object.entries(floors)) {
    const of = quality ? `as a JPEG of quality ${quality}` : 'clean';
    test.each(Object.entries(ofModel))(`${name} on %s, ${of}: at least %f dB over bicubic`, async (image, floor) => {
      const gain = await gains(name, image as keyof typeof IMAGES, quality);
      expect(gain.psnr).toBeGreaterThan(floor);
      expect(gain.ssim).toBeGreaterThan(0);
    });
  }
}
