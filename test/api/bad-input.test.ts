// Bad input: one CarafeError with a stable code and a message `Expected ... for "name", got ...`; nothing else happens.
import { readFileSync } from 'node:fs';
import { carafe, CarafeError, createCarafe, createUpscaler, upscale } from 'carafe-web';
import { describe, expect, test } from 'vitest';
import { randomTensor, rejection, testImage } from './support.js';

const image = testImage(8, 8);
const features = randomTensor([1, 4, 3, 3], 1);
const kernels = randomTensor([1, 25, 6, 6], 2);
const encode = { weights: randomTensor([100, 4, 3, 3], 3) };
const modelBytes = readFileSync(new URL('../../models/base-x2.safetensors', import.meta.url));
const tampered = (change: (bytes: Buffer) => void): ArrayBuffer => {
  const copy = Buffer.from(modelBytes);
  change(copy);
  return new Uint8Array(copy).buffer;
};
// any: these calls are wrong on purpose
const wrong: Record<string, [string, () => Promise<unknown>]> = {};
const add = (name: string, code: string, call: () => Promise<unknown>): void => {
  wrong[name] = [code, call];
};
const any = (value: unknown): any => value;

for (const size of [0, -1, 1.5, NaN, Infinity, '8', undefined]) {
  add(`image width ${size}`, 'UnsupportedImage', () => upscale({ ...image, width: any(size) }, { backend: 'wasm' }));
  add(`image height ${size}`, 'UnsupportedImage', () => upscale({ ...image, height: any(size) }, { backend: 'wasm' }));
  add(`features height ${size}`, 'ShapeMismatch', () =>
    carafe({ ...features, shape: any([1, 4, size, 3]) }, kernels, { backend: 'wasm' }),
  );
}
add('image data too short', 'UnsupportedImage', () =>
  upscale({ ...image, data: image.data.subarray(1) }, { backend: 'wasm' }),
);
add('image data of another type', 'UnsupportedImage', () =>
  upscale({ ...image, data: any([...image.data]) }, { backend: 'wasm' }),
);
add('no image', 'UnsupportedImage', () => upscale(any(null), { backend: 'wasm' }));
add('a string', 'UnsupportedImage', () => upscale(any('photo.jpg'), { backend: 'wasm' }));
add('a URL', 'UnsupportedImage', () => upscale(any(new URL('https://example.com/a.jpg')), { backend: 'wasm' }));
add('the bytes of a file', 'UnsupportedImage', () => upscale(any(modelBytes), { backend: 'wasm' }));
add('the ArrayBuffer of a file', 'UnsupportedImage', () => upscale(any(new ArrayBuffer(8)), { backend: 'wasm' }));
add('an image not awaited', 'UnsupportedImage', () => upscale(any(Promise.resolve(image)), { backend: 'wasm' }));
add('a Response that failed', 'UnsupportedImage', () =>
  upscale(new Response('not here', { status: 404 }), { backend: 'wasm' }),
);
add('an image whose buffer was transferred', 'UnsupportedImage', () => {
  const data = image.data.slice();
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return upscale({ ...image, data }, { backend: 'wasm' });
});
add('a colour space that is none', 'UnsupportedImage', () =>
  upscale({ ...image, colorSpace: any('rec2020') }, { backend: 'wasm' }),
);
add('an encoded file where nothing decodes', 'UnsupportedImage', () =>
  upscale(new Blob([modelBytes]), { backend: 'wasm' }),
);
add('an image over the memory limit', 'ImageTooLarge', () =>
  upscale({ data: image.data, width: 60000, height: 60000 }, { backend: 'wasm' }),
);
add('data that is not the product of its shape', 'ShapeMismatch', () =>
  carafe({ ...features, shape: [1, 4, 3, 4] }, kernels, { backend: 'wasm' }),
);
add('three dimensions', 'ShapeMismatch', () => carafe({ ...features, shape: [4, 3, 3] }, kernels, { backend: 'wasm' }));
add('f64 data', 'ShapeMismatch', () =>
  carafe(any({ ...features, data: new Float64Array(36) }), kernels, { backend: 'wasm' }),
);
add('kernels of another size', 'ShapeMismatch', () =>
  carafe(features, randomTensor([1, 25, 6, 5], 4), { backend: 'wasm' }),
);
add('channels not divisible by groups', 'ShapeMismatch', () =>
  carafe(features, randomTensor([1, 75, 6, 6], 4), { groups: 3, backend: 'wasm' }),
);
add('an output over the memory limit', 'ShapeMismatch', () =>
  carafe(features, kernels, { scale: 64, backend: 'wasm' }),
);
for (const kUp of [0, -3, 2, 4, 2.5, NaN, '5'])
  add(`kUp ${kUp}`, 'InvalidOption', () => carafe(features, kernels, { kUp: any(kUp), backend: 'wasm' }));
for (const scale of [0, -2, 1.5, NaN])
  add(`scale ${scale}`, 'InvalidOption', () => carafe(features, kernels, { scale, backend: 'wasm' }));
for (const groups of [0, -1, 1.5])
  add(`groups ${groups}`, 'InvalidOption', () => carafe(features, kernels, { groups, backend: 'wasm' }));
add('padding', 'InvalidOption', () => carafe(features, kernels, { padding: any('wrap'), backend: 'wasm' }));
add('backend', 'InvalidOption', () => carafe(features, kernels, { backend: any('cuda') }));
add('an empty list of backends', 'InvalidOption', () => carafe(features, kernels, { backend: [] }));
for (const [name, call] of Object.entries({
  createUpscaler: () => createUpscaler(any(null)),
  upscale: () => upscale(image, any(null)),
  carafe: () => carafe(features, kernels, any(null)),
  createCarafe: () => createCarafe({ encode }, any(null)),
}))
  add(`null options of ${name}`, 'InvalidOption', call);
add('options that are a number', 'InvalidOption', () => createUpscaler(any(2)));
add("another package's wasm module", 'InvalidOption', () =>
  createUpscaler({ wasm: new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)) }),
);
add('wasm that is null', 'InvalidOption', () => createUpscaler({ wasm: any(null) }));
add('a wasm binary that is none', 'InvalidOption', () => carafe(features, kernels, { wasm: new ArrayBuffer(8) }));
add('a device that is none', 'InvalidOption', () => createUpscaler({ device: any({}) }));
add('no weights', 'InvalidOption', () => createCarafe(any(undefined)));
add('no encoder', 'InvalidOption', () => createCarafe(any({})));
add('an encoder for other kernels', 'ShapeMismatch', () => createCarafe({ encode }, { kUp: 3 }));
add('an even encoder', 'ShapeMismatch', () => createCarafe({ encode: { weights: randomTensor([100, 4, 2, 2], 5) } }));
add('another kEnc than the weights', 'InvalidOption', () => createCarafe({ encode }, { kEnc: 5 }));
add('a compressor that does not fit', 'ShapeMismatch', () =>
  createCarafe({ compress: { weights: randomTensor([5, 4, 1, 1], 6) }, encode }),
);
add('a bias that does not fit', 'ShapeMismatch', () =>
  createCarafe({ encode: { ...encode, bias: { data: new Float32Array(7), shape: [7] } } }),
);
add('a bare Float32Array as bias', 'ShapeMismatch', () =>
  createCarafe({ encode: { ...encode, bias: any(new Float32Array(100)) } }),
);
add('a bare Float32Array as weights', 'ShapeMismatch', () =>
  createCarafe({ encode: { weights: any(new Float32Array(3600)) } }),
);
add('a bare array as features', 'ShapeMismatch', () => carafe(any([1, 2]), kernels));
add('NaN among the weights', 'ModelInvalid', () =>
  createCarafe({ encode: { weights: { ...encode.weights, data: encode.weights.data.with(7, NaN) } } }),
);
add('infinity in the bias', 'ModelInvalid', () =>
  createCarafe({ encode: { ...encode, bias: { data: new Float32Array(100).fill(Infinity), shape: [100] } } }),
);
add('normalizer', 'InvalidOption', () => createCarafe({ encode }, { normalizer: any('max') }));
add('slope', 'InvalidOption', () => createCarafe({ encode }, { slope: NaN }));
add('dilation', 'InvalidOption', () => createCarafe({ encode }, { dilation: 0 }));
add('a scale no model has', 'InvalidOption', () => createUpscaler({ scale: any(5) }));
add("scale '2'", 'InvalidOption', () => createUpscaler({ scale: any('2') }));
add("scale '2' of a module", 'InvalidOption', () => createCarafe({ encode }, { scale: any('2') }));
add('model', 'InvalidOption', () => createUpscaler({ model: any('huge') }));
add('the name of a model that became one with two ends', 'InvalidOption', () =>
  createUpscaler({ model: any('base-web') }),
);
add('model null', 'InvalidOption', () => createUpscaler({ model: any(null) }));
add('a relative URL where there is no page', 'InvalidOption', () =>
  createUpscaler({ model: 'models/base-x2.safetensors' }),
);
add('tile', 'InvalidOption', () => createUpscaler({ tile: 0 }));
add('workers', 'InvalidOption', () => createUpscaler({ workers: 1.5 }));
add('thread', 'InvalidOption', () => createUpscaler({ thread: any('main') }));
add('thread of the reference', 'InvalidOption', () => createUpscaler({ backend: 'reference', thread: 'worker' }));
add('signal', 'InvalidOption', () => createUpscaler({ signal: any('stop') }));
add('an empty model', 'ModelInvalid', () => createUpscaler({ model: new ArrayBuffer(0) }));
add('a truncated model', 'ModelInvalid', () =>
  createUpscaler({ model: new Uint8Array(modelBytes.subarray(0, modelBytes.length - 100)).buffer }),
);
add('a huge header length', 'ModelInvalid', () =>
  createUpscaler({ model: tampered((b) => b.writeBigUInt64LE(2n ** 60n)) }),
);
add('another architecture', 'ModelInvalid', () =>
  createUpscaler({ model: tampered((b) => b.write('carafe-lumA', b.indexOf('carafe-luma'))) }),
);
add('a body wired otherwise', 'ModelInvalid', () =>
  createUpscaler({ model: tampered((b) => b.write('"skip":"head!"', b.indexOf('"skip":"input"'))) }),
);
add('a compressor of no size', 'ModelInvalid', () =>
  createUpscaler({ model: tampered((b) => b.write('"cMid":"x"', b.indexOf('"cMid":"8"'))) }),
);
add('a model file that is not there', 'ModelInvalid', () =>
  createUpscaler({ model: new URL('./none.safetensors', import.meta.url) }),
);
add('a model of another scale', 'ModelInvalid', () => createUpscaler({ scale: 4, model: tampered(() => {}) }));

describe('one CarafeError, with a code and a message of one form', () => {
  test.each(Object.entries(wrong))('%s', async (_, [code, call]) => {
    const error = await rejection(call());
    expect(error).toBeInstanceOf(CarafeError);
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringMatching(/^Expected .+ for ".+", got .+/),
    });
  });
});

test('a module refuses features that do not fit, and goes on', async () => {
  const module = await createCarafe({ encode }, { backend: 'wasm', thread: 'inline' });
  expect((await rejection(module.upsample(randomTensor([1, 5, 3, 3], 7)))).code).toBe('ShapeMismatch');
  expect((await module.upsample(features)).shape).toEqual([1, 4, 6, 6]);
  for (const [options, code] of [
    [null, 'InvalidOption'],
    [{ into: null }, 'InvalidOption'],
    [{ into: [] }, 'InvalidOption'],
    [{ into: new Float32Array(5) }, 'ShapeMismatch'],
  ])
    expect((await rejection(module.upsample(features, any(options)))).code).toBe(code);
  module.dispose();
  expect((await rejection(module.upsample(features))).code).toBe('Disposed');
});

test('null options of a call: an error, and the next call works', async () => {
  const upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'small' });
  expect((await rejection(upscaler.upscale(image, any(null)))).code).toBe('InvalidOption');
  expect((await upscaler.upscale(image)).width).toBe(16);
  upscaler.dispose();
});

test('kernels larger than memory', async () => {
  const one = { weights: randomTensor([100, 1, 1, 1], 8) };
  const module = await createCarafe({ encode: one }, { backend: 'wasm', thread: 'inline' });
  const x = { data: new Float32Array(3000 * 3000), shape: [1, 1, 3000, 3000] };
  expect((await rejection(module.predictKernels(x))).code).toBe('OutOfMemory'); // 25 * 4 * 36 MB; its upsampled features have 144
  module.dispose();
});

test('a result that memory is refused for: OutOfMemory, and the next call works', async () => {
  const upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'small', tile: 8 });
  const twoTiles = testImage(16, 8); // one tile is the result as it is
  const real = globalThis.Uint8ClampedArray;
  globalThis.Uint8ClampedArray = class {
    constructor() {
      throw new RangeError('Array buffer allocation failed');
    }
  } as unknown as Uint8ClampedArrayConstructor;
  const error = await rejection(upscaler.upscale(twoTiles)).finally(() => {
    globalThis.Uint8ClampedArray = real;
  });
  expect([error.code, error.message]).toEqual(['OutOfMemory', expect.stringContaining('tiles()')]);
  expect((await upscaler.upscale(twoTiles)).width).toBe(32);
  upscaler.dispose();
});

test.each([
  ['https://example.com/a.jpg', 'fetch(url)'],
  [new URL('https://example.com/a.jpg'), 'fetch(url)'],
  [new ArrayBuffer(8), 'new Blob([bytes])'],
  [Buffer.alloc(8), '{ data, width, height }'],
  [Promise.resolve(), 'await it'],
])('the message for %s says what to do', async (value, hint) => {
  expect((await rejection(upscale(any(value)))).message).toContain(hint);
});

test('a -web name says which option has taken its place', async () => {
  expect((await rejection(createUpscaler({ model: any('large-web') }))).message).toBe(
    'Expected "large", whose option "restore" is for JPEGs and noise, for "model", got "large-web"',
  );
});
