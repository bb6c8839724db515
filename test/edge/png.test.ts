// src/edge/png.ts against libvips and libpng: every kind of PNG in, filters and both widths out, broken ones refused.
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { png } from '../../src/edge/png.js';
import { photo } from './support.js';

const pixelsOf = async (file: Buffer | Uint8Array): Promise<number[]> => [
  ...(await sharp(file).toColourspace('srgb').ensureAlpha().raw({ depth: 'uchar' }).toBuffer()),
];

describe('in', () => {
  const kinds: Record<string, () => Promise<Buffer>> = {
    rgb: () => photo(37, 21).png().toBuffer(),
    rgba: () => photo(37, 21, true).png().toBuffer(),
    grey: () => photo(37, 21).greyscale().png().toBuffer(),
    interlaced: () => photo(37, 21, true).png({ progressive: true }).toBuffer(),
    'a single interlaced pixel': () => photo(1, 1).png({ progressive: true }).toBuffer(),
    ...Object.fromEntries(
      [2, 4, 16, 200].map((colours) => [
        `palette of ${colours}`,
        () => photo(37, 21).png({ palette: true, colours, dither: 0 }).toBuffer(),
      ]),
    ),
    'palette with alphas': () => photo(37, 21, true).png({ palette: true, colours: 32 }).toBuffer(),
    'interlaced palette': () => photo(37, 21).png({ palette: true, colours: 4, progressive: true }).toBuffer(),
  };
  test.each(Object.keys(kinds))('%s', async (kind) => {
    const file = await kinds[kind]();
    const { data, width, height } = await png.decode(file);
    const info = await sharp(file).metadata();
    expect([width, height]).toEqual([info.width, info.height]);
    expect([...data]).toEqual(await pixelsOf(file));
  });

  const one = (header: number[], row: number[], extra: [string, number[]][] = []): Buffer =>
    file([
      ['IHDR', [0, 0, 0, 2, 0, 0, 0, 1, ...header, 0, 0, 0]],
      ...extra,
      ['IDAT', [...deflateSync(Buffer.from([0, ...row]))]],
      ['IEND', []],
    ]);
  test.each([
    ['grey of 1 bit', one([1, 0], [0b01000000]), [0, 0, 0, 255, 255, 255, 255, 255]],
    ['grey of 2 bits', one([2, 0], [0b01100000]), [85, 85, 85, 255, 170, 170, 170, 255]],
    ['grey of 16 bits', one([16, 0], [0x80, 0x00, 0xff, 0xff]), [128, 128, 128, 255, 255, 255, 255, 255]],
    ['grey with alpha', one([8, 4], [10, 20, 30, 40]), [10, 10, 10, 20, 30, 30, 30, 40]],
    ['grey with a transparent value', one([8, 0], [7, 8], [['tRNS', [0, 7]]]), [7, 7, 7, 0, 8, 8, 8, 255]],
    [
      'rgb with a transparent colour',
      one([8, 2], [1, 2, 3, 1, 2, 4], [['tRNS', [0, 1, 0, 2, 0, 3]]]),
      [1, 2, 3, 0, 1, 2, 4, 255],
    ],
    ['rgb of 16 bits', one([16, 2], [0, 0, 0x80, 0, 0xff, 0xff, 1, 1, 2, 2, 3, 3]), [0, 128, 255, 255, 1, 2, 3, 255]],
  ])('%s', async (_, bytes, want) => {
    expect([...(await png.decode(bytes)).data]).toEqual(want);
  });

  test.each([
    ['a wrong checksum', (bytes: Buffer) => bytes.writeUInt8(bytes[45] ^ 1, 45)],
    ['a depth that no kind has', (bytes: Buffer) => bytes.writeUInt8(3, 24)],
  ])('not %s', async (_, spoil) => {
    const bytes = await photo(37, 21).png().toBuffer();
    spoil(bytes);
    await expect(png.decode(bytes)).rejects.toThrow();
  });

  test('what inflates to more than the picture is read no further', async () => {
    const bomb = deflateSync(Buffer.alloc(64 * 2 ** 20));
    const bytes = file([
      ['IHDR', [0, 0, 0, 2, 0, 0, 0, 1, 8, 0, 0, 0, 0]],
      ['IDAT', bomb],
      ['IEND', []],
    ]);
    const before = process.memoryUsage().arrayBuffers;
    const { data } = await png.decode(bytes);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 2 ** 20);
    expect([...data]).toEqual([0, 0, 0, 255, 0, 0, 0, 255]);
  });

  test('data that ends early, a colour that the palette has not', async () => {
    await expect(png.decode(one([8, 0], [1]))).rejects.toThrow('ends early');
    await expect(png.decode(one([8, 3], [0, 1], [['PLTE', [1, 2, 3]]]))).rejects.toThrow('no colour 1');
  });
});

describe('out', () => {
  test.each([false, true])('alpha %s: the same pixels, and a file about as small as libpng’s', async (alpha) => {
    const picture = photo(123, 77, alpha);
    const data = new Uint8ClampedArray(await picture.clone().ensureAlpha().raw().toBuffer());
    const bytes = await png.encode({ data, width: 123, height: 77 }, 85);
    expect(await pixelsOf(bytes)).toEqual([...data]);
    expect(await sharp(bytes).metadata()).toMatchObject({ channels: alpha ? 4 : 3, depth: 'uchar' });
    expect(bytes.length).toBeLessThan(1.2 * (await picture.png({ adaptiveFiltering: true }).toBuffer()).length);
  });
});

function file(chunks: readonly [name: string, data: ArrayLike<number>][]): Buffer {
  const table = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  const crc = (bytes: Buffer): number => ~bytes.reduce((c, byte) => table[(c ^ byte) & 255] ^ (c >>> 8), -1) >>> 0;
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    ...chunks.flatMap(([name, data]) => {
      const body = Buffer.concat([Buffer.from(name), Buffer.from(data as number[])]);
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      sum.writeUInt32BE(crc(body));
      return [length, body, sum];
    }),
  ]);
}
