// The shipped model on the shipped photo, by the literature's protocol: shrunk by MATLAB's bicubic, enlarged by the package.
import { createUpscaler } from 'carafe-web';
import { expect, test } from 'vitest';
import { imresize } from '../../bench/imresize.js';
import { psnr, readPair, ssim } from '../../bench/quality.js';

test.each([['small', 0.95], ['base', 1.15]] as const)('%s beats bicubic on the sample by at least %f dB', async (model, floor) => {
  const { original, small } = await readPair(new URL('../../examples/sample.jpg', import.meta.url).pathname, 2);
  const upscaler = await createUpscaler({ backend: 'wasm', model });
  const ours = { channels: 4, ...(await upscaler.upscale(small)) };
  upscaler.dispose();
  const bicubic = imresize(small, original.width, original.height);
  expect(psnr(original, ours, 2) - psnr(original, bicubic, 2)).toBeGreaterThan(floor);
  expect(ssim(original, ours, 2)).toBeGreaterThan(ssim(original, bicubic, 2));
});
