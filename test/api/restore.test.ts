// The dial: a model's two ends, the positions between, and what 'auto' decides, through the built package.
import { readFileSync } from 'node:fs';
import { createUpscaler, type Progress, type RawImage, upscale, type Upscaler } from 'carafe-web';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { psnr, readPair } from '../../bench/quality.js';
import { imresize } from '../../bench/imresize.js';
import { parseSafetensors } from '../../src/models/safetensors.js';
import { nodeGpuDevice } from '../backends.js';
import { Random } from '../random.js';
import { safetensors, type Written } from '../safetensors.js';
import { difference, rejection, testImage } from './support.js';

const file = readFileSync(new URL('../../models/small-x2.safetensors', import.meta.url));
const { tensors, metadata } = parseSafetensors(file);
const { original, small: clean } = await readPair(new URL('../../examples/sample.jpg', import.meta.url).pathname, 2);
const image = testImage(60, 44);

let upscaler: Upscaler;
beforeAll(async () => {
  upscaler = await createUpscaler({ backend: 'wasm', workers: 2, tile: 64, model: 'small' });
});
afterAll(() => upscaler.dispose());

/** The file with other tensors. */
function changed(change: (all: Map<string, Written>) => void): Uint8Array {
  const all = new Map<string, Written>(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  change(all);
  return safetensors(all, metadata);
}

/** The one-ended file of the network at `position`. */
const fixed = (position: number): Uint8Array =>
  changed((all) => {
    for (const [name, { data }] of [...all]) {
      const added = all.get(`restore.${name}`);
      if (added) for (let i = 0; i < data.length; i++) data[i] += position * added.data[i];
    }
    for (const name of [...all.keys()]) if (name.startsWith('restore.')) all.delete(name);
  });

/** The same noise in R, G and B. */
function noisy({ data, width, height }: RawImage, sigma: number): RawImage {
  const random = new Random(7);
  const grey = Float32Array.from({ length: width * height }, () => sigma * random.normal());
  return { data: data.map((v, i) => (i % 4 === 3 ? 255 : Math.round(v + grey[i >> 2]))), width, height };
}

const jpegFile = ({ data, width, height }: RawImage, quality: number): Promise<Buffer> =>
  sharp(data, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .jpeg({ quality })
    .toBuffer();

async function decoded(bytes: Buffer): Promise<RawImage> {
  const { data, info } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
}

describe('a position is the network on the line between the ends', () => {
  test.each([0, 0.37, 1])('%f, to the bit', async (position) => {
    const big = await upscaler.upscale(image, { restore: position });
    expect(big.restore).toEqual({ value: position, reason: 'as asked' });
    const wanted = await upscale(image, { backend: 'wasm', model: fixed(position), thread: 'inline' });
    expect(difference(big.data, wanted.data).count).toBe(0);
  });

  test('many positions at once, more than are kept: each picture has its own', async () => {
    const positions = Array.from({ length: 9 }, (_, i) => i / 8);
    const wanted: RawImage[] = [];
    for (const restore of positions) wanted.push(await upscaler.upscale(image, { restore }));
    const both = await Promise.all([...positions, ...positions].map((restore) => upscaler.upscale(image, { restore })));
    both.forEach((got, i) => expect(difference(got.data, wanted[i % 9].data).count).toBe(0));
    expect(difference(wanted[0].data, wanted[8].data).max).toBeGreaterThan(8);
  });

  test('on webgpu too, and the weights of positions that are left are freed', async () => {
    const device = await nodeGpuDevice();
    let [bytes, most] = [0, 0];
    const create = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      const buffer = create(descriptor);
      if (!descriptor.label?.includes('weights')) return buffer;
      bytes += descriptor.size;
      most = Math.max(most, bytes);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        bytes -= descriptor.size;
        return destroy();
      };
      return buffer;
    };
    const gpu = await createUpscaler({ backend: 'webgpu', device, model: 'small' });
    const one = bytes;
    expect(one).toBeGreaterThan(0);
    for (let i = 0; i <= 10; i++) {
      const restore = i / 10;
      const got = await gpu.upscale(image, { restore });
      if (i % 5 === 0)
        expect(difference(got.data, (await upscaler.upscale(image, { restore })).data).max).toBeLessThanOrEqual(1);
    }
    expect(most).toBeLessThanOrEqual(4 * one);
    gpu.dispose();
    expect(bytes).toBe(0);
    device.destroy();
  });

  test('wasm memory stops growing after the positions that are kept', async () => {
    const memories: WebAssembly.Memory[] = [];
    const Real = WebAssembly.Memory;
    WebAssembly.Memory = class extends Real {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        super(descriptor);
        memories.push(this);
      }
    };
    const inline = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'base' }).finally(() => {
      WebAssembly.Memory = Real;
    });
    const size = (): number => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    for (let i = 0; i < 5; i++) await inline.upscale(image, { restore: i / 50 });
    const after = size();
    expect(after).toBeGreaterThan(0);
    for (let i = 5; i < 40; i++) await inline.upscale(image, { restore: i / 50 });
    expect(size()).toBe(after);
    inline.dispose();
  });
});

describe('a file', () => {
  const opening = (model: Uint8Array): Promise<Upscaler> =>
    createUpscaler({ backend: 'wasm', thread: 'inline', model });

  test('with one end: the dial has one position, and the result says so', async () => {
    const one = await opening(fixed(0));
    expect(one.info.restore).toBe(0);
    const wanted = await upscaler.upscale(image, { restore: 0 });
    for (const restore of [undefined, 'auto', 0.7] as const) {
      const big = await one.upscale(image, { restore });
      expect(big.restore).toEqual({ value: 0, reason: 'the model has one end' });
      expect(difference(big.data, wanted.data).count).toBe(0);
    }
    one.dispose();
  });

  const added = 'restore.body.0.weights';
  const eightBit = (all: Map<string, Written>): void => {
    const { shape, data } = all.get(added)!;
    const length = data.length / shape[0];
    const factors = Float32Array.from(
      { length: shape[0] },
      (_, i) => Math.max(...data.subarray(i * length, (i + 1) * length).map(Math.abs)) / 127,
    );
    all.set(added, { shape, data: Int8Array.from(data, (v, i) => Math.round(v / factors[Math.floor(i / length)])) });
    all.set(`${added}.scale`, { shape: [shape[0]], data: factors });
  };

  test('whose second end is stored in 8 bits: the same within them', async () => {
    const one = await opening(changed(eightBit));
    const [got, wanted] = await Promise.all([one, upscaler].map((each) => each.upscale(clean, { restore: 1 })));
    const { count, max } = difference(got.data, wanted.data);
    expect(count).toBeGreaterThan(0);
    expect(max).toBeLessThanOrEqual(3);
    one.dispose();
  });

  test.each<[string, string, (all: Map<string, Written>) => void]>([
    ['a part of the second end only', added, (all) => all.delete(added)],
    ['a second end of another shape', added, (all) => all.set(added, { ...all.get(added)!, shape: [8, 8, 9, 1] })],
    ['NaN in the second end', 'restore.head.bias', (all) => (all.get('restore.head.bias')!.data[1] = NaN)],
    ['infinity in the second end', added, (all) => (all.get(added)!.data[3] = Infinity)],
    ['NaN in the first end', 'maps.bias', (all) => (all.get('maps.bias')!.data[0] = NaN)],
    ['more in the second end than in the first', 'restore.more', (all) => all.set('restore.more', all.get(added)!)],
    ['8 bits without factors', `${added}.scale`, (all) => [eightBit(all), all.delete(`${added}.scale`)]],
  ])('with %s: ModelInvalid that names it', async (_, name, change) => {
    expect(await rejection(opening(changed(change)))).toMatchObject({
      code: 'ModelInvalid',
      message: expect.stringContaining(`for "${name}"`),
    });
  });
});

describe("'auto'", () => {
  test('is the default, and of a call what the upscaler was created with', async () => {
    expect(upscaler.info.restore).toBe('auto');
    const half = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'small', restore: 0.5 });
    expect(half.info.restore).toBe(0.5);
    const [own, asked] = [await half.upscale(image), await half.upscale(clean, { restore: 'auto' })];
    expect([own.restore.value, asked.restore]).toEqual([0.5, { value: 0, reason: 'clean' }]);
    half.dispose();
  });

  test.each([
    [90, 0.35, 0.6],
    [75, 0.65, 0.9],
    [60, 0.85, 1],
    [50, 0.9, 1],
  ])('JPEG %i: by its pixels, its file, and the same each time', async (quality, least, most) => {
    const bytes = await jpegFile(clean, quality);
    const pixels = await decoded(bytes);
    const seen: Progress[] = [];
    const big = await upscaler.upscale(pixels, { onProgress: (progress) => seen.push(progress) });
    expect(big.restore.reason).toMatch(/^JPEG, quality about \d+$/);
    expect(big.restore.value).toBeGreaterThanOrEqual(least);
    expect(big.restore.value).toBeLessThanOrEqual(most);
    expect(seen.length).toBeGreaterThan(4);
    for (const { restore } of seen) expect(restore).toEqual(big.restore);
    const tiles = [];
    for await (const tile of upscaler.tiles(pixels, { file: bytes })) tiles.push(tile);
    for (const { restore } of tiles)
      expect(restore).toEqual({ value: tiles[0].restore.value, reason: `JPEG, quality ${quality}` });
    expect(Math.abs(tiles[0].restore.value - big.restore.value)).toBeLessThanOrEqual(0.05);
    const fixedThere = await upscaler.upscale(pixels, { restore: big.restore.value });
    expect(difference(big.data, fixedThere.data).count).toBe(0);
    const bicubic = imresize({ ...pixels, channels: 4 }, original.width, original.height);
    expect(psnr(original, { ...big, channels: 4 }, 2)).toBeGreaterThan(psnr(original, bicubic, 2));
  });

  test('what is clean stays at the clean end', async () => {
    const half = imresize(clean, clean.width >> 1, clean.height >> 1);
    for (const one of [clean, half])
      expect((await upscaler.upscale(one)).restore).toEqual({ value: 0, reason: 'clean' });
    const small = await upscaler.upscale(testImage(20, 30));
    expect(small.restore).toEqual({ value: 0, reason: 'too small to tell' });
  });

  test('a pattern that fits the blocks of 8x8 and has noise is no JPEG', async () => {
    const { restore } = await upscaler.upscale(testImage(200, 160));
    expect(restore.reason).not.toContain('JPEG');
  });

  test('a soft picture of a megapixel that was a JPEG is found out', async () => {
    const soft = await decoded(await jpegFile(imresize(clean, 1000, 1000), 60));
    const { restore } = await upscaler.upscale(soft);
    expect(restore.reason).toMatch(/^JPEG, quality about (5[789]|6[0123])$/);
  });

  test('noise of sigma 6 goes in and less than 4 comes out; detail is kept', async () => {
    const base = await createUpscaler({ backend: 'wasm', thread: 'inline' });
    const flat = { data: new Uint8ClampedArray(128 * 128 * 4).fill(128), width: 128, height: 128 };
    const big = await base.upscale(noisy(flat, 6));
    expect(big.restore.reason).toMatch(/^noise, sigma about [5-9]$/);
    const values = big.data.filter((_, i) => i % 4 === 1);
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    expect(Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length)).toBeLessThan(4);
    const small = noisy(clean, 10);
    const photo = { ...(await base.upscale(small)), channels: 4 };
    const bicubic = imresize({ ...small, channels: 4 }, original.width, original.height);
    expect(psnr(original, photo, 2) - psnr(original, bicubic, 2)).toBeGreaterThan(0.7); // B100: see models/base-x2.md
    base.dispose();
  });

  test('an image whose buffer was transferred before it was looked at: UnsupportedImage', async () => {
    const gone = testImage(300, 300);
    const call = upscaler.upscale(gone);
    structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] });
    expect((await rejection(call)).code).toBe('UnsupportedImage');
  });
});

// any: wrong on purpose
test.each<[string, any]>([
  ['less than 0', -0.1],
  ['more than 1', 1.01],
  ['NaN', NaN],
  ['a number as a string', '0.5'],
  ['another word', 'strong'],
  ['null', null],
  ['a boolean', true],
])('restore that is %s: InvalidOption, of the upscaler and of a call', async (_, restore) => {
  const wanted = {
    code: 'InvalidOption',
    message: expect.stringContaining('Expected a number of 0..1 or "auto" for "restore", got '),
  };
  expect(await rejection(createUpscaler({ restore, backend: 'wasm' }))).toMatchObject(wanted);
  expect(await rejection(upscaler.upscale(image, { restore }))).toMatchObject(wanted);
  expect(await rejection(upscaler.tiles(image, { restore }).next())).toMatchObject(wanted);
  expect(await rejection(upscaler.upscale(image, { file: restore }))).toMatchObject({ code: 'InvalidOption' });
});
