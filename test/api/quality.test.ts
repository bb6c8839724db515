// The shipped model on the shipped photo, by the literature's protocol: shrunk by MATLAB's bicubic, enlarged by the package.
import { createUpscaler } from 'carafe-web';
import { expect, test } from 'vitest';
import { imresize } from '../../bench/imresize.js';
import { psnr, readPair, ssim } from '../../bench/quality.js';

const FLOOR_DB = 0.5; // over bicubic

test('base-x2 beats bicubic on the sample by at least the floor', async () => {
  const { original, small } = await readPair(new URL('../../examples/sample.jpg', import.meta.url).pathname, 2);
  const upscaler = await createUpscaler({ backend: 'wasm' });
  const ours = { channels: 4, ...(await upscaler.upscale(small)) };
  upscaler.dispose();
  const bicubic = imresize(small, original.width, original.height);
  expect(psnr(original, ours, 2) - psnr(original, bicubic, 2)).toBeGreaterThan(FLOOR_DB);
  expect(ssim(original, ours, 2)).toBeGreaterThan(ssim(original, bicubic, 2));
});
