// A 1x1 convolution over more channels than fit in the slack after the arena's last block read past the end of wasm
// memory and trapped.
import { createCarafe } from 'carafe-web';
import { expect, test } from 'vitest';
import { randomTensor } from '../api/support.js';

test.each([5_000, 20_000, 100_000])('%i channels', async (c) => {
  const weights = {
    compress: { weights: randomTensor([2, c, 1, 1], 1, 0.01) },
    encode: { weights: randomTensor([36, 2, 1, 1], 2) },
  };
  const x = randomTensor([1, c, 1, 3], 3);
  const [wasm, reference] = await Promise.all(
    (['wasm', 'reference'] as const).map(async (backend) => {
      const module = await createCarafe(weights, { kUp: 3, backend, thread: 'inline' });
      return module.upsample(x);
    }),
  );
  const worst = wasm.data.reduce((max, value, i) => Math.max(max, Math.abs(value - reference.data[i])), 0);
  expect(worst).toBeLessThan(1e-4); // of values up to 1, over sums of 100,000 terms
});
