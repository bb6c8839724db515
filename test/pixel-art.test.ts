// What is taken for pixel art: sprites, and nothing that was photographed, rendered or dithered. What becomes of it.
import { createUpscaler, type Progress, upscale, type Upscaler } from 'carafe-web';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import type { RawImage } from '../src/core/tensor.js';
import { isPixelArt } from '../src/engine/pixel-art.js';

type Pixel = readonly [r: number, g: number, b: number, a?: number];

function picture(width: number, height: number, pixel: (x: number, y: number) => Pixel): RawImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b, a = 255] = pixel(i % width, Math.floor(i / width));
    data.set([r, g, b, a], 4 * i);
  }
  return { data, width, height };
}

async function read(input: Parameters<typeof sharp>[0], crop?: number, width?: number): Promise<RawImage> {
  let image = sharp(input).ensureAlpha();
  if (width) image = image.resize(width);
  if (crop) image = image.extract({ left: 40, top: 40, width: crop, height: crop });
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
}

const svg = (body: string): Buffer =>
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="160" height="64">${body}</svg>`);
const root = new URL('..', import.meta.url).pathname;

/** A face of 16x16 pixels, four colours and nothing behind it. */
const FACE = [
  '.....######.....',
  '...##oooooo##...',
  '..#oooooooooo#..',
  '.#oooooooooooo#.',
  '.#ooowwooowwoo#.',
  '#oooow#oooow#oo#',
  '#oooow#oooow#oo#',
  '#oooooooooooooo#',
  '#oooooooooooooo#',
  '#oorooooooooroo#',
  '#ooorooooooroooo',
  '.#ooorrrrrroooo#',
  '.#oooooooooooo#.',
  '..#oooooooooo#..',
  '...##oooooo##...',
  '.....######.....',
];
const PALETTE: Record<string, Pixel> = {
  '.': [0, 0, 0, 0],
  '#': [40, 20, 10],
  o: [250, 200, 60],
  w: [255, 255, 255],
  r: [200, 30, 40],
};
const face = picture(16, 16, (x, y) => PALETTE[FACE[y][x]]);

describe('is pixel art', () => {
  test('a sprite of 16x16', () => expect(isPixelArt(face)).toBe(true));

  test('a screen of sprites and tiles on a sky of bands', () => {
    const screen = picture(160, 144, (x, y) => {
      const [r, g, b, a] = PALETTE[FACE[y % 16][x % 16]];
      if ((x >> 4) % 3 === 0 && a !== 0) return [r, g, b];
      if (y > 110) return (x % 16) + (y % 16) < 9 ? [90, 60, 30] : [120, 80, 40];
      return [90 + 10 * (y >> 4), 140 + 8 * (y >> 4), 230];
    });
    expect(isPixelArt(screen)).toBe(true);
  });

  test('the same enlarged to whole pixels', () => {
    const big = picture(64, 64, (x, y) => PALETTE[FACE[y >> 2][x >> 2]]);
    expect(isPixelArt(big)).toBe(true);
  });
});

describe('is no pixel art', () => {
  test('a photograph, whole and small', async () => {
    expect(isPixelArt(await read(`${root}examples/sample.jpg`, 200))).toBe(false);
    expect(isPixelArt(await read(`${root}examples/sample.jpg`, undefined, 32))).toBe(false);
  });

  test('clip art and a page of text', async () => {
    for (const file of ['car.png', 'text.png']) {
      expect(isPixelArt(await read(`${root}test/images/${file}`, 160))).toBe(false);
      expect(isPixelArt(await read(`${root}test/images/${file}`, undefined, 64))).toBe(false);
    }
  });

  const RENDERED = {
    'black text on white':
      '<rect width="160" height="64" fill="#fff"/><text x="4" y="24" font-size="16">Whole pixels</text>',
    'white text on black':
      '<rect width="160" height="64"/><text x="4" y="24" font-size="13" fill="#fff">Whole pixels</text>',
    'text of two colours':
      '<rect width="160" height="64" fill="#eee"/><text x="4" y="24" font-size="20" fill="#c00">Whole</text><text x="4" y="50" font-size="12" fill="#00c">pixels</text>',
    'a logo': '<circle cx="40" cy="32" r="24" fill="#e34"/><path d="M70 8h40l-20 44z" fill="#29f"/>',
    'a chart':
      '<rect width="160" height="64" fill="#fff"/><path d="M0 60L40 20 80 44 160 4" stroke="#080" stroke-width="2" fill="none"/>',
  };
  test.each(Object.entries(RENDERED))('%s, as it is rendered and in 16 colours', async (_, body) => {
    const image = await read(svg(body));
    expect(isPixelArt(image)).toBe(false);
    const coarse = { ...image, data: image.data.map((v) => Math.round(v / 17 / 4) * 68) };
    expect(isPixelArt(coarse)).toBe(false);
  });

  test('dithers: a checkerboard, Bayer, Floyd-Steinberg in 8 colours', () => {
    const bayer = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
    const colours: Pixel[] = [
      [0, 0, 0],
      [255, 255, 255],
      [255, 0, 0],
    ];
    expect(isPixelArt(picture(48, 48, (x, y) => colours[(x + y) % 2]))).toBe(false);
    expect(
      isPixelArt(picture(48, 48, (x, y) => colours[bayer[(y % 4) * 4 + (x % 4)] < x / 3 ? 1 : y > 30 ? 2 : 0])),
    ).toBe(false);
    const error = new Float64Array(64 * 64 * 3);
    const dithered = picture(64, 64, (x, y) => {
      const bytes = [0, 1, 2].map((c) => {
        const at = (y * 64 + x) * 3 + c;
        const wanted = 128 + 100 * Math.sin(x / 9 + c) * Math.cos(y / 11) + error[at];
        const byte = wanted < 128 ? 0 : 255;
        for (const [dx, dy, share] of [
          [1, 0, 7],
          [-1, 1, 3],
          [0, 1, 5],
          [1, 1, 1],
        ])
          error[at + (dy * 64 + dx) * 3] += ((wanted - byte) * share) / 16;
        return byte;
      });
      return bytes as unknown as Pixel;
    });
    expect(isPixelArt(dithered)).toBe(false);
  });

  test('frames and tables: straight lines without corners', () => {
    const table = picture(120, 90, (x, y) =>
      x % 40 === 0 || y % 30 === 0 ? [60, 60, 60] : y < 30 ? [220, 220, 240] : [255, 255, 255],
    );
    expect(isPixelArt(table)).toBe(false);
  });

  test('one colour, two colours, a gradient', () => {
    expect(isPixelArt(picture(32, 32, () => [9, 9, 9]))).toBe(false);
    expect(isPixelArt(picture(32, 32, (x) => (x < 16 ? [0, 0, 0] : [255, 255, 255])))).toBe(false);
    expect(isPixelArt(picture(48, 48, (x) => [x * 5, x * 5, x * 5]))).toBe(false);
  });
});

describe('the default model leaves pixel art its pixels', () => {
  const opened: Upscaler[] = [];
  afterAll(() => {
    for (const upscaler of opened) upscaler.dispose();
  });
  const open = async (options: Parameters<typeof createUpscaler>[0]): Promise<Upscaler> => {
    const upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', ...options });
    opened.push(upscaler);
    return upscaler;
  };
  const restore = { value: 0, reason: 'pixel art', pixelArt: true };
  const photograph = read(`${root}examples/sample.jpg`, 200);
  const whole = (scale: number): RawImage =>
    picture(16 * scale, 16 * scale, (x, y) => PALETTE[FACE[Math.floor(y / scale)][Math.floor(x / scale)]]);

  test.each([2, 3, 4] as const)('x%i, and says so', async (scale) => {
    const upscaler = await open({ scale });
    const seen: Progress[] = [];
    const big = await upscaler.upscale(face, { onProgress: (progress) => seen.push(progress) });
    expect(big).toEqual({ ...whole(scale), restore });
    expect(seen).toEqual([{ done: 1, total: 1, restore }]);
    const tiles = [];
    for await (const tile of upscaler.tiles(face)) tiles.push(tile);
    expect(tiles).toEqual([{ x: 0, y: 0, image: whole(scale), restore }]);
    expect((await upscaler.upscale(await photograph)).restore.pixelArt).toBeUndefined();
  });

  test('a model or a position that is asked for enlarges it like other pictures', async () => {
    const named = await (await open({ model: 'base' })).upscale(face);
    expect(named.restore.pixelArt).toBeUndefined();
    expect(named.data).not.toEqual(whole(2).data);
    const asked = await upscale(face, { backend: 'wasm', thread: 'inline', restore: 0 });
    expect(asked.restore).toEqual({ value: 0, reason: 'as asked' });
    expect(asked.data).toEqual(named.data);
  });
});
