// Large pictures go through in strips: that must not show, and no strip may grow with the picture.
import { join } from 'node:path';
import { createUpscaler, type RgbaPixels, type Upscaler } from 'carafe-web';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enlarge } from '../../src/cli/enlarge.js';
import { Raster } from '../../src/cli/raster.js';
import { testImage } from '../api/support.js';
import { sandbox } from './support.js';

const { folder } = sandbox();
const WIDTH = 40;
let paths = 0;
const newPath = (): string => join(folder, `${paths++}.v`);
const upscalers = new Map<string, Upscaler>();
beforeAll(async () => {
  for (const model of ['small', 'base', 'large'] as const)
    upscalers.set(model, await createUpscaler({ backend: 'wasm', thread: 'inline', model, restore: 0.5, tile: 64 }));
});
afterAll(() => {
  for (const upscaler of upscalers.values()) upscaler.dispose();
});

/** Through rasters in strips of so many rows; which rows were read at a time. */
async function inStrips(image: RgbaPixels, bands: number, pages: number, model: string, rows: number) {
  const from = Raster.create(newPath, { width: image.width, height: image.height, bands, deep: false });
  from.write(0, 0, new Uint8Array(image.data.filter((_, i) => i % 4 < bands)));
  const to = from.enlarged(newPath, from, pages, 2);
  const reads: [number, number][] = [];
  const read = from.read.bind(from);
  from.read = (y, into) => {
    reads.push([y, into.length / (image.width * bands)]);
    read(y, into);
  };
  let done = 0;
  await enlarge(upscalers.get(model)!, from, to, pages, {
    done: (pixels) => (done += pixels),
    stripPixels: rows * image.width,
  });
  const values = to.room(to.height) as Uint8Array;
  to.read(0, values);
  from.close();
  to.close();
  expect(done).toBe(image.width * image.height);
  return { values, reads };
}

const whole = async (image: RgbaPixels, bands: number, model: string) =>
  new Uint8Array((await upscalers.get(model)!.upscale(image)).data.filter((_, i) => i % 4 < bands));

test.each(['small', 'base', 'large'])(
  '%s: strips of 64 rows give the pixels of the whole, bit for bit',
  async (model) => {
    const image = testImage(WIDTH, 310);
    const { values, reads } = await inStrips(image, 3, 1, model, 64);
    expect(reads.length).toBe(5);
    expect(Math.max(...reads.map(([, count]) => count))).toBeLessThanOrEqual(64 + 2 * 64); // with a margin on both sides
    expect(Buffer.compare(values, await whole(image, 3, model))).toBe(0);
  },
);

test('a transparent picture, of which some strips are opaque', async () => {
  const image = testImage(WIDTH, 200, (x, y) => (y < 90 ? 255 : (x * 7) % 256));
  const { values } = await inStrips(image, 4, 1, 'small', 40);
  const want = await whole(image, 4, 'small');
  let worst = 0;
  for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(want[i] - values[i]));
  expect(worst).toBe(0);
});

test('pages are pictures by themselves', async () => {
  const pages = [testImage(WIDTH, 60), testImage(WIDTH, 60, () => 255)];
  pages[1].data.reverse().forEach((_, i, data) => {
    if (i % 4 === 3) data[i] = 255;
  });
  const data = new Uint8ClampedArray([...pages[0].data, ...pages[1].data]);
  const { values } = await inStrips({ data, width: WIDTH, height: 120 }, 3, 2, 'small', 1000);
  const want = await Promise.all(pages.map((page) => whole(page, 3, 'small')));
  expect(Buffer.compare(values, Buffer.concat(want))).toBe(0);
});
