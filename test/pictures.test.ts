import { existsSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assertSamePicture } from './pictures.js';
import { testImage } from './random.js';

test('pictures that differ are written beside the tests: got, want and difference', async () => {
  const want = testImage(20, 10);
  await assertSamePicture(want, testImage(20, 10));
  const got = { ...want, data: want.data.slice() };
  got.data[4 * 25] ^= 3;
  await assertSamePicture(got, want, 3);
  const error = await assertSamePicture(got, want).catch((e: Error) => e);
  expect(error?.message).toMatch(/^1 bytes differ by more than 0, by \d at most; see /);
  const [, path] = error!.message.match(/see (.*)\{/)!;
  const files = ['got', 'want', 'difference'].map((kind) => `${path}${kind}.png`);
  expect(files.map(existsSync)).toEqual([true, true, true]);
  for (const file of files) rmSync(file);
});
