// What a picture keeps: its turn, EXIF, resolution, profile, bits, greyness, transparency, frames. The pixels are those
// of the API.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createUpscaler, type RgbaPixels, type Upscaler } from 'carafe-web';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { difference, testImage } from '../api/support.js';
import { packRow, png } from './png.js';
import { picture, rgba, sandbox, stored } from './support.js';

const { path, run } = sandbox();
const W = 24;
const H = 16;
let upscaler: Upscaler;
beforeAll(async () => {
  upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline' });
});
afterAll(() => upscaler.dispose());

/** Largest difference to what the API makes of `image`, where the result is visible. */
async function offBy(file: string, image: RgbaPixels): Promise<number> {
  const want = await upscaler.upscale(image);
  const got = await rgba(path(file));
  expect([got.width, got.height]).toEqual([want.width, want.height]);
  for (const { data } of [want, got])
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 0) data.fill(0, i, i + 3);
  return difference(got.data, want.data).max;
}

test('EXIF orientation 1..8 in JPEG, PNG, WebP, TIFF: shown as a viewer shows it, and orientation 1', async () => {
  const names: string[] = [];
  for (let orientation = 1; orientation <= 8; orientation++) {
    const turned = () =>
      picture(W, H)
        .withExif({ IFD0: { Copyright: 'me' } })
        .withMetadata({ orientation });
    names.push(...['jpg', 'png', 'webp', 'tif'].map((extension) => `${orientation}-${extension}.${extension}`));
    await turned()
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toFile(path(`${orientation}-jpg.jpg`));
    await turned()
      .png()
      .toFile(path(`${orientation}-png.png`));
    await turned()
      .webp({ lossless: true })
      .toFile(path(`${orientation}-webp.webp`));
    await turned()
      .tiff({ compression: 'lzw' })
      .toFile(path(`${orientation}-tif.tif`));
  }
  expect((await run(...names, '-o', 'turned/', '-f', 'png')).code).toBe(0);
  for (const name of names) {
    const shown = await sharp(path(name)).autoOrient().ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    const image = { data: new Uint8ClampedArray(shown.data), width: shown.info.width, height: shown.info.height };
    const result = `turned/${name.replace(/\..+/, '')}@2x.png`;
    expect([name, (await sharp(path(result)).metadata()).orientation ?? 1]).toEqual([name, 1]);
    expect([name, await offBy(result, image)]).toEqual([name, 0]);
  }
});

describe('metadata', () => {
  beforeAll(async () => {
    await picture(W, H)
      .withIccProfile('p3')
      .withExif({ IFD0: { Copyright: 'me', Artist: 'A' } })
      .withMetadata({ density: 300, orientation: 6 })
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toFile(path('p3.jpg'));
  });

  test.each(['jpeg', 'png', 'webp', 'avif', 'tiff'] as const)(
    'EXIF, resolution and profile in %s; P3 stays P3',
    async (format) => {
      const { code, stdout } = await run('p3.jpg', '-f', format, '-o', 'p3/', '-q', '100');
      expect(code).toBe(0);
      const file = path(stdout.match(/-> (p3\/\S+)/)![1]);
      const [before, after] = [await sharp(path('p3.jpg')).metadata(), await sharp(file).metadata()];
      expect(after.icc).toEqual(before.icc);
      expect(after.orientation ?? 1).toBe(1);
      if (format !== 'tiff') expect(after.exif!.toString('latin1')).toContain('me\0'); // libvips writes none into TIFF
      if (['jpeg', 'png', 'tiff'].includes(format)) expect(after.density).toBe(300);
      const source = await sharp(path('p3.jpg')).autoOrient().keepIccProfile().ensureAlpha().raw().toBuffer();
      const pixels = { data: new Uint8ClampedArray(source), width: H, height: W };
      const want = await upscaler.upscale(pixels, { file: readFileSync(path('p3.jpg')) }); // 'auto' reads the JPEG's tables
      const got = await rgba(file);
      const mean = got.data.reduce((sum, value, i) => sum + Math.abs(value - want.data[i]), 0) / want.data.length;
      expect(mean).toBeLessThan({ jpeg: 1.5, png: 1e-9, webp: 6, avif: 3, tiff: 1e-9 }[format]);
    },
  );

  test('--strip leaves EXIF out, and the profile in', async () => {
    expect((await run('p3.jpg', '--strip', '-o', 'stripped.jpg')).code).toBe(0);
    const { exif, icc, orientation } = await sharp(path('stripped.jpg')).metadata();
    expect([exif, icc?.length ?? 0, orientation ?? 1]).toEqual([undefined, expect.any(Number), 1]);
    expect(icc).toBeDefined();
  });

  test('a picture without EXIF gets none', async () => {
    await picture(W, H).png().toFile(path('bare.png'));
    expect((await run('bare.png', '-f', 'jpeg', '-o', 'bare/')).code).toBe(0);
    const { exif, icc } = await sharp(path('bare/bare@2x.jpg')).metadata();
    expect([exif, icc]).toEqual([undefined, undefined]);
  });

  test('CMYK is converted to sRGB', async () => {
    await picture(W, H).withIccProfile('cmyk').toColourspace('cmyk').jpeg({ quality: 100 }).toFile(path('cmyk.jpg'));
    expect((await run('cmyk.jpg', '-o', 'cmyk.png')).code).toBe(0);
    const { data } = await sharp(path('cmyk.jpg'))
      .toColourspace('srgb')
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(await offBy('cmyk.png', { data: new Uint8ClampedArray(data), width: W, height: H })).toBe(0);
    expect((await sharp(path('cmyk.png')).metadata()).hasProfile).toBe(false);
  });
});

describe('quality', () => {
  beforeAll(async () => {
    await picture(W, H).jpeg({ chromaSubsampling: '4:4:4', quality: 90 }).toFile(path('full.jpg'));
    await picture(W, H).jpeg({ chromaSubsampling: '4:2:0', quality: 90, progressive: true }).toFile(path('half.jpg'));
    await picture(W, H).webp({ lossless: true }).toFile(path('exact.webp'));
    await picture(W, H).webp({ quality: 80 }).toFile(path('lossy.webp'));
    await picture(W, H).tiff({ compression: 'jpeg' }).toFile(path('lossy.tif'));
    await run('full.jpg', 'half.jpg', 'exact.webp', 'lossy.webp', 'lossy.tif', '-o', 'quality/');
  });

  test('a JPEG has 4:4:4 where the source has it, and is progressive where it was', async () => {
    expect(await sharp(path('quality/full@2x.jpg')).metadata()).toMatchObject({
      chromaSubsampling: '4:4:4',
      isProgressive: false,
    });
    expect(await sharp(path('quality/half@2x.jpg')).metadata()).toMatchObject({
      chromaSubsampling: '4:2:0',
      isProgressive: true,
    });
  });

  test('-q decides the size of JPEG, WebP and AVIF', async () => {
    for (const format of ['jpeg', 'webp', 'avif']) {
      const sizes: number[] = [];
      for (const quality of ['20', '95']) {
        const { stdout } = await run('full.jpg', '-f', format, '-q', quality, '-o', `q${quality}/`, '--json');
        sizes.push(statSync(path(JSON.parse(stdout).target)).size);
      }
      expect(sizes[0]).toBeLessThan(sizes[1]);
    }
  });

  test('a lossless WebP stays lossless, TIFF is lossless', async () => {
    for (const [file, source] of [
      ['quality/exact@2x.webp', 'exact.webp'],
      ['quality/lossy@2x.tif', 'lossy.tif'],
    ])
      expect(await offBy(file, await rgba(path(source)))).toBe(0);
    expect(await offBy('quality/lossy@2x.webp', await rgba(path('lossy.webp')))).toBeGreaterThan(0);
  });
});

describe('16 bits', () => {
  const SIZE = 256;
  /** A ramp of less than five levels of 8 bits, which banding would show in. */
  const ramp = Uint16Array.from({ length: SIZE * 8 * 3 }, (_, i) => 20000 + (Math.floor(i / 3) % SIZE) * 4);

  test.each(['png', 'tiff', 'avif'] as const)(
    'stay 16 (%s: as many as it has), and a gradient stays fine',
    async (format) => {
      await sharp(ramp, { raw: { width: SIZE, height: 8, channels: 3 } })
        .toColourspace('rgb16')
        .png()
        .toFile(path('ramp.png'));
      const { code, stdout } = await run('ramp.png', '-f', format, '-q', '100', '-o', 'deep/', '--json');
      expect(code).toBe(0);
      const file = path(JSON.parse(stdout).target);
      const { depth, bitsPerSample, space } = await sharp(file).metadata();
      expect([depth, bitsPerSample, space]).toEqual(['ushort', format === 'avif' ? 10 : 16, 'rgb16']);
      if (format === 'avif') return;
      const raw = await sharp(file).toColourspace('rgb16').raw({ depth: 'ushort' }).toBuffer();
      const row = new Uint16Array(raw.buffer, raw.byteOffset, 2 * SIZE * 3).filter((_, i) => i % 3 === 1);
      expect(new Set(row).size).toBeGreaterThan(400); // of 512; with 8 bits it would be 5
      for (let x = 8; x < row.length - 8; x++)
        expect(Math.abs(row[x] - (20000 + ((x + 0.5) / 2 - 0.5) * 4))).toBeLessThan(4);
    },
  );

  test('details are the network’s: within a level of what 8 bits give', async () => {
    const { data } = testImage(W, H);
    const deep = Uint16Array.from(data, (value) => value * 257);
    await sharp(deep, { raw: { width: W, height: H, channels: 4 } })
      .toColourspace('rgb16')
      .png()
      .toFile(path('deep.png'));
    expect((await run('deep.png', '-o', 'deep.tiff')).code).toBe(0);
    expect((await sharp(path('deep.tiff')).metadata()).depth).toBe('ushort');
    expect(await offBy('deep.tiff', { data, width: W, height: H })).toBeLessThanOrEqual(1);
    expect((await run('deep.png', '-o', 'shallow.jpg')).code).toBe(0);
    expect((await sharp(path('shallow.jpg')).metadata()).depth).toBe('uchar');
  });

  test('a float TIFF is not black: 0..1 is linear light, more is white, and 0..255 is taken too', async () => {
    for (const [name, values, want] of [
      ['linear', [0, 0.2158605, 1, 1.5], [0, 128, 255, 255]],
      ['bytes', [0, 128, 255, 255], [0, 128, 255, 255]],
    ] as const) {
      for (const bands of [1, 3]) {
        const file = `${name}${bands}.tif`;
        const pixels = values.flatMap((value) => Array(bands * 64).fill(value) as number[]);
        await writeFile(path(file), floatTiff(8, 32, bands, pixels));
        const { code, stderr } = await run(file);
        expect([code, stderr]).toEqual([0, name === 'linear' ? expect.stringContaining('go up to 1.50') : '']);
        const { data, channels } = await stored(
          await sharp(path(file.replace('.', '@2x.')))
            .png()
            .toBuffer(),
        );
        const middle = [8, 24, 40, 56].map((row) =>
          Math.round(data[(row * 16 + 8) * channels] / (data.length / channels / 1024 > 1 ? 257 : 1)),
        );
        expect([file, middle]).toEqual([file, want]);
        expect((await sharp(path(file.replace('.', '@2x.'))).metadata()).channels).toBe(bands);
      }
    }
  });
});

describe('grey and transparency', () => {
  test.each(['png', 'jpeg', 'tiff'])('grey stays grey: %s', async (format) => {
    await picture(W, H).toColourspace('b-w').png().toFile(path('grey.png'));
    const { stdout } = await run('grey.png', '-f', format, '-o', 'grey/', '--json');
    const file = JSON.parse(stdout).target;
    expect(await sharp(path(file)).metadata()).toMatchObject({ channels: 1, space: 'b-w' });
    if (format !== 'jpeg') expect(await offBy(file, await rgba(path('grey.png')))).toBe(0);
  });

  test('transparent parts of a JPEG are white, not black, or what --background says', async () => {
    const clear = Buffer.alloc(64 * 4);
    await sharp(clear, { raw: { width: 8, height: 8, channels: 4 } })
      .png()
      .toFile(path('clear.png'));
    for (const [args, want] of [
      [
        ['-f', 'jpeg'],
        [255, 255, 255],
      ],
      [
        ['-f', 'jpeg', '--background', '#0000ff'],
        [0, 0, 254],
      ],
      [
        ['-f', 'png', '--background', 'red'],
        [255, 0, 0],
      ],
    ] as const) {
      const { stdout } = await run('clear.png', ...args, '--json', '--force', '-o', 'clear/');
      const { data, channels } = await stored(path(JSON.parse(stdout).target));
      expect([channels, ...data.subarray(0, 3)]).toEqual([3, ...want]);
    }
  });

  test('transparency is kept in PNG, WebP, TIFF, AVIF, GIF', async () => {
    const { data } = testImage(W, H, (x) => (x < 12 ? 0 : 255));
    await sharp(data, { raw: { width: W, height: H, channels: 4 } })
      .png()
      .toFile(path('half.png'));
    for (const format of ['png', 'webp', 'tiff', 'avif', 'gif']) {
      const { stdout } = await run('half.png', '-f', format, '-o', 'half/', '--json');
      const got = await rgba(path(JSON.parse(stdout).target));
      expect([format, got.data[3], got.data[4 * 47 + 3]]).toEqual([format, 0, 255]);
    }
  });
});

describe('frames and pages', () => {
  const colours = ['#ff0000', '#00ff00', '#0000ff'];
  const frames = () => {
    const flat = colours.map((background) => ({ create: { width: W, height: H, channels: 3, background } }));
    return sharp(flat as unknown as Buffer[], { join: { animated: true } }); // sharp's types lack the array of these
  };
  const timing = { delay: [100, 200, 300], loop: 2 };

  test.each([
    ['gif', 'gif'],
    ['webp', 'webp'],
    ['gif', 'webp'],
    ['webp', 'gif'],
    ['tiff', 'tiff'],
  ] as const)('all of a %s in a %s, with their times; none bleeds into the next', async (from, to) => {
    const file = `frames.${from}`;
    if (from === 'gif') await frames().gif(timing).toFile(path(file));
    if (from === 'webp')
      await frames()
        .webp({ ...timing, lossless: true })
        .toFile(path(file));
    if (from === 'tiff') await frames().tiff({ compression: 'lzw' }).toFile(path(file));
    const { code, stdout, stderr } = await run(file, '-f', to, '-q', '100', '-o', `${from}-${to}/`, '--json');
    expect([code, stderr]).toEqual([0, '']);
    const target = path(JSON.parse(stdout).target);
    const { pages, delay, loop } = await sharp(target).metadata();
    expect([pages, delay, loop]).toEqual(from === 'tiff' ? [3, undefined, undefined] : [3, timing.delay, timing.loop]);
    for (const [page, colour] of [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ].entries()) {
      const { data, info } = await sharp(target, { page }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      expect([info.width, info.height]).toEqual([2 * W, 2 * H]);
      for (const at of [0, 3 * (2 * W * H), data.length - 3])
        expect(Math.max(...colour.map((value, i) => Math.abs(value - data[at + i])))).toBeLessThanOrEqual(3);
    }
  });

  test('EXIF turns each page by itself', async () => {
    const image = testImage(W, H);
    const pages = Array.from({ length: 2 }, (_, page) =>
      image.data.map((value, i) => (i % 4 === 3 ? 255 : value >> page)),
    );
    const roll = { data: new Uint8ClampedArray([...pages[0], ...pages[1]]), width: W, height: 2 * H };
    for (const orientation of [3, 6])
      await sharp(roll.data, { raw: { width: W, height: 2 * H, channels: 4, pageHeight: H } })
        .withMetadata({ orientation })
        .tiff({ compression: 'lzw' })
        .toFile(path(`${orientation}.tiff`));
    expect(await run('3.tiff', '6.tiff', '-o', 'pages/')).toMatchObject({ code: 0, stderr: '' });
    for (const orientation of [3, 6])
      for (const page of [0, 1]) {
        const shown = await sharp(path(`${orientation}.tiff`), { page })
          .autoOrient()
          .ensureAlpha()
          .png()
          .toBuffer();
        const got = await sharp(path(`pages/${orientation}@2x.tiff`), { page })
          .png()
          .toBuffer();
        expect(difference((await rgba(got)).data, (await upscaler.upscale(await rgba(shown))).data).max).toBe(0);
      }
  });

  test('where the target holds one: the first, and a word', async () => {
    await frames().gif(timing).toFile(path('a.gif'));
    const { code, stderr } = await run('a.gif', '-o', 'first.png');
    expect([code, stderr]).toEqual([0, 'a.gif: it has 3 frames, of which png holds one: the first\n']);
    expect(await sharp(path('first.png')).metadata()).toMatchObject({ width: 2 * W, height: 2 * H });
  });
});

describe('every kind of PNG', () => {
  const grey = (depth: number) => (x: number, y: number) => [(x * 3 + y * 5) % 2 ** depth];
  const palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0];
  const level = (value: number, depth: number) =>
    depth === 16 ? Math.round(value / 257) : (value * 255) / (2 ** depth - 1);
  const deep = (x: number, y: number) =>
    [(x * 65535) / (W - 1), (y * 65535) / (H - 1), x * y * 100, 65535 - x * 2000].map(Math.round);

  test.each<
    [string, number, number, (x: number, y: number) => number[], [string, Uint8Array][], (v: number[]) => number[]]
  >([
    ...[1, 2, 4, 8].map(
      (
        depth,
      ): [
        string,
        number,
        number,
        (x: number, y: number) => number[],
        [string, Uint8Array][],
        (v: number[]) => number[],
      ] => [
        `grey of ${depth} bits, 0 is transparent`,
        depth,
        0,
        grey(depth),
        [['tRNS', Uint8Array.of(0, 0)]],
        ([v]) => [level(v, depth), level(v, depth), level(v, depth), v === 0 ? 0 : 255],
      ],
    ),
    [
      'a palette with transparency',
      2,
      3,
      (x, y) => [((x >> 2) + (y >> 2)) % 4],
      [
        ['PLTE', Uint8Array.from(palette)],
        ['tRNS', Uint8Array.of(255, 128, 0)],
      ],
      ([v]) => [...palette.slice(3 * v, 3 * v + 3), [255, 128, 0, 255][v]],
    ],
    ['grey and alpha of 8 bits', 8, 4, (x, y) => [x * 10, y * 16], [], ([v, a]) => [v, v, v, a]],
    [
      'RGB of 8 bits with a transparent colour',
      8,
      2,
      (x, y) => ((x >> 2) % 2 ? [255, 0, 255] : [x * 10, y * 12, 90]),
      [['tRNS', Uint8Array.of(0, 255, 0, 0, 0, 255)]],
      (v) => [...v, v.join() === '255,0,255' ? 0 : 255],
    ],
    ['RGB of 16 bits', 16, 2, (x, y) => deep(x, y).slice(0, 3), [], (v) => [...v.map((each) => level(each, 16)), 255]],
    ['RGBA of 16 bits', 16, 6, deep, [], (v) => v.map((each) => level(each, 16))],
    [
      'grey and alpha of 16 bits',
      16,
      4,
      (x, y) => deep(x, y).slice(0, 2),
      [],
      ([v, a]) => [v, v, v, a].map((each) => level(each, 16)),
    ],
  ])('%s', async (name, depth, type, values, chunks, toRgba) => {
    const rows: number[] = [];
    const data: number[] = [];
    for (let y = 0; y < H; y++) {
      const row: number[] = [];
      for (let x = 0; x < W; x++) {
        row.push(...values(x, y));
        data.push(...toRgba(values(x, y)));
      }
      rows.push(0, ...packRow(row, depth));
    }
    const file = `${name.replaceAll(' ', '-')}.png`;
    writeFileSync(path(file), png({ width: W, height: H, depth, type }, Uint8Array.from(rows), chunks));
    expect((await run(file)).code).toBe(0);
    const result = file.replace('.png', '@2x.png');
    expect(await offBy(result, { data: Uint8ClampedArray.from(data), width: W, height: H })).toBeLessThanOrEqual(
      depth === 16 || type !== 2 ? 1 : 0,
    );
    if (depth === 16) expect((await sharp(path(result)).metadata()).depth).toBe('ushort');
  });

  test('its ending may be another’s: the file decides', async () => {
    await writeFile(path('really.jpg'), await picture(W, H).png().toBuffer());
    expect((await run('really.jpg')).stdout).toContain('really.jpg -> really@2x.png');
  });
});

test.each([1, 4, 8, 16, 24, 32] as const)('a .bmp of %i bits is read, and becomes a PNG', async (bits) => {
  const { data, width, height } = testImage(23, H); // rows that are padded
  const levels = { 1: 1, 4: 1, 8: 3, 16: 31, 24: 255, 32: 255 }[bits]; // of a channel
  const shown = data.map((value, i) => {
    if (i % 4 === 3) return 255;
    const channel = bits === 1 ? data[i - (i % 4)] : value; // black and white
    return Math.round((Math.round((channel / 255) * levels) / levels) * 255);
  });
  await writeFile(path(`${bits}.bmp`), bmp(bits, levels, { data: shown, width, height }));
  const { code, stdout } = await run(`${bits}.bmp`);
  expect([code, stdout]).toEqual([0, expect.stringContaining(`${bits}.bmp -> ${bits}@2x.png`)]);
  expect((await sharp(path(`${bits}@2x.png`)).metadata()).channels).toBe(3);
  expect(await offBy(`${bits}@2x.png`, { data: shown, width, height })).toBe(0);
});

test('a .bmp with an alpha mask, from the top down', async () => {
  const { data, width, height } = testImage(W, H, (x) => 10 * x);
  const head = Buffer.alloc(14 + 108);
  head.write('BM');
  [head.length, 108, width, -height].forEach((value, i) => head.writeInt32LE(value, 10 + 4 * i));
  head.set([1, 0, 32, 0, 3], 26);
  [0xff, 0xff00, 0xff0000, 0xff000000].forEach((mask, i) => head.writeUInt32LE(mask, 54 + 4 * i)); // RGBA
  await writeFile(path('mask.bmp'), Buffer.concat([head, Buffer.from(data)]));
  expect((await run('mask.bmp')).code).toBe(0);
  expect(await offBy('mask@2x.png', { data, width, height })).toBe(0);
});

/** Rows from the bottom up, BGR or indices of a palette, of a multiple of 4 bytes. Source: BITMAPINFOHEADER. */
function bmp(bits: 1 | 4 | 8 | 16 | 24 | 32, levels: number, { data, width, height }: RgbaPixels): Buffer {
  const steps = Array.from({ length: levels + 1 }, (_, i) => Math.round((i / levels) * 255));
  const grey = steps.flatMap((value) => [value, value, value, 0]);
  const colours = () => steps.flatMap((r) => steps.flatMap((g) => steps.flatMap((b) => [b, g, r, 0])));
  const palette = bits > 8 ? [] : bits === 1 ? grey : colours();
  const head = Buffer.alloc(54);
  head.write('BM');
  [54 + palette.length, 40, width, height].forEach((value, i) => head.writeInt32LE(value, 10 + 4 * i));
  head.set([1, 0, bits], 26);
  head.writeUInt32LE(palette.length / 4, 46);
  const rows: number[] = [];
  for (let y = height - 1; y >= 0; y--) {
    const row: number[] = [];
    for (let i = 4 * y * width; i < 4 * (y + 1) * width; i += 4) {
      const [r, g, b] = data.subarray(i, i + 3);
      const [lr, lg, lb] = [r, g, b].map((value) => Math.round((value / 255) * levels));
      if (bits === 1) row.push(lr);
      else if (bits <= 8) row.push((lr * (levels + 1) + lg) * (levels + 1) + lb);
      else if (bits === 16) row.push((lr << 10) | (lg << 5) | lb);
      else row.push(b, g, r, ...(bits === 32 ? [0] : []));
    }
    const bytes =
      bits > 16 ? row : bits === 16 ? row.flatMap((value) => [value & 255, value >> 8]) : packRow(row, bits);
    rows.push(...bytes, ...Array((4 - (bytes.length % 4)) % 4).fill(0));
  }
  return Buffer.concat([head, Buffer.from(palette), Buffer.from(rows)]);
}

/** An uncompressed TIFF of 32-bit floats in one strip. Source: TIFF 6.0. */
function floatTiff(width: number, height: number, bands: number, values: readonly number[]): Buffer {
  const tags: [tag: number, type: 3 | 4, values: number[]][] = [
    [256, 3, [width]],
    [257, 3, [height]],
    [258, 3, Array(bands).fill(32)],
    [259, 3, [1]],
    [262, 3, [bands === 3 ? 2 : 1]],
    [273, 4, [0]], // set below
    [277, 3, [bands]],
    [278, 3, [height]],
    [279, 4, [values.length * 4]],
    [339, 3, Array(bands).fill(3)],
  ];
  const end = 8 + 2 + 12 * tags.length + 4;
  const extra: number[] = [];
  const directory = Buffer.alloc(end - 8);
  directory.writeUInt16LE(tags.length);
  tags[5][2][0] = end + 16;
  tags.forEach(([tag, type, list], i) => {
    const at = 2 + 12 * i;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(list.length, at + 4);
    if (list.length === 1) directory[type === 3 ? 'writeUInt16LE' : 'writeUInt32LE'](list[0], at + 8);
    else {
      directory.writeUInt32LE(end + extra.length, at + 8);
      extra.push(...list.flatMap((value) => [value, 0]), 0, 0);
    }
  });
  const more = Buffer.alloc(16);
  more.set(extra);
  return Buffer.concat([
    Buffer.from('49492a0008000000', 'hex'),
    directory,
    more,
    Buffer.from(Float32Array.from(values).buffer),
  ]);
}
