// A picture's size does not show in memory: libvips maps no large raster as a whole, what EXIF turns is not held to be turned, and strips
// share theirs. That a result in several files is the picture, whatever its values.
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { loadCodec } from '../../src/cli/codec.js';
import { decode } from '../../src/cli/decode.js';
import { encode } from '../../src/cli/encode.js';
import { Strips } from '../../src/cli/enlarge.js';
import { readHeader } from '../../src/cli/header.js';
import { Raster } from '../../src/cli/raster.js';
import { sandbox } from './support.js';

const { path } = sandbox();
const codec = await loadCodec();
const headerOf = (file: string) => readHeader(codec, { name: file, path: file });
let files = 0;
const newPath = (): string => path(`${files++}.v`);

/** Megabytes that this process has more at most, while `work` is under way. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 2);
  await work();
  clearInterval(timer);
  return (most - before) / 2 ** 20;
}

describe('memory', () => {
  test('a result of 300 MB is encoded in less than 150', async () => {
    const file = path('small.jpg');
    await sharp({ create: { width: 8, height: 8, channels: 3, background: 'white' } })
      .jpeg()
      .toFile(file);
    const small = Raster.create(newPath, { width: 5000, height: 5000, bands: 3, deep: false });
    const large = small.enlarged(newPath, small, 1, 2); // black: holes in files
    small.close();
    large.close();
    const header = await headerOf(file);
    expect(await growth(() => encode(codec, large, header, { format: 'jpeg' }, path('large.jpg')))).toBeLessThan(150);
    expect(await sharp(path('large.jpg')).metadata()).toMatchObject({ width: 10000, height: 10000 });
  });

  test('a picture of 120 MB that EXIF turns is decoded in less than 60', async () => {
    const file = path('turned.jpg');
    await sharp({ create: { width: 8000, height: 5000, channels: 3, background: 'white' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(file);
    const header = await headerOf(file);
    expect([header.width, header.height]).toEqual([5000, 8000]);
    expect(await growth(() => decode(codec, { name: file, path: file }, header, newPath()))).toBeLessThan(60);
  });

  test.each([false, true])('strips share theirs (16 bits: %s)', (deep) => {
    const raster = Raster.create(newPath, { width: 50, height: 60, bands: 3, deep });
    const strips = new Strips(raster, 40);
    const [first, second] = [strips.cut(0, 30), strips.cut(20, 40)];
    expect([second.data.buffer, second.values.buffer]).toEqual([first.data.buffer, first.values.buffer]);
    expect(second.data.buffer.byteLength).toBe(50 * 40 * 4);
    raster.close();
  });
});

test.each(
  [1, 2, 3, 4].flatMap((bands) => [
    [bands, false],
    [bands, true],
  ]) as [number, boolean][],
)('a result of several files is the same file as of one: %d bands, 16 bits: %s', async (bands, deep) => {
  const [width, height] = [20, 31];
  const space = `${bands < 3 ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb'}`;
  const source = path(`${bands}${deep}.png`);
  const values = new Uint16Array(width * height * bands).map((_, i) => (i * 7919) % (deep ? 65536 : 256));
  await sharp(deep ? values : Uint8Array.from(values), { raw: { width, height, channels: bands as 3 } })
    .toColourspace(space)
    .withExif({ IFD0: { Copyright: 'me' } })
    .png()
    .toFile(source);
  const header = await headerOf(source);
  const decoded = newPath();
  await decode(codec, { name: source, path: source }, header, decoded);
  const small = Raster.open(decoded);
  const room = small.room(1);
  const results = await Promise.all(
    [1e6, 200].map(async (fileBytes) => {
      const large = small.enlarged(newPath, small, 1, 1, fileBytes);
      expect(large.paths.length > 3).toBe(fileBytes === 200 && bands !== 2);
      for (let y = 0; y < height; y++) {
        small.read(y, room);
        large.write(0, y, room);
      }
      large.close();
      const target = path(`${bands}${deep}${fileBytes}.png`);
      await encode(codec, large, header, { format: 'png' }, target);
      return readFile(target);
    }),
  );
  expect(results[1].equals(results[0])).toBe(true);
  const [got, want] = await Promise.all(
    [results[1], source].map((file) => sharp(file).toColourspace(space).raw().toBuffer()),
  );
  expect(got.equals(want)).toBe(true);
  small.close();
});
