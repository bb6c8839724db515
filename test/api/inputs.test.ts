// What is taken beside the plain case: values of another realm, bytes of other types, files by other means, no images
// at all.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { carafe, CarafeError, createCarafe, createUpscaler, type Upscaler } from 'carafe-web';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jestRealm } from '../dist/runtimes/jest-realm.js';
import { randomTensor, rejection, testImage } from './support.js';

const file = new URL('../../models/small-x2.safetensors', import.meta.url);
const bytes = readFileSync(file); // a Buffer
const image = testImage(12, 9);
const encode = { weights: randomTensor([100, 4, 3, 3], 3), bias: randomTensor([1, 1, 1, 100], 4) };
const x = randomTensor([1, 4, 3, 2], 5);

let upscaler: Upscaler;
let want: Uint8ClampedArray;
beforeAll(async () => {
  upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'small' });
  want = (await upscaler.upscale(image)).data;
});
afterAll(() => upscaler.dispose());

/** The same values, made in another realm. */
const realm = vm.createContext();
const elsewhere = <T>(expression: string, values: object = {}): T => {
  Object.assign(realm, values);
  return vm.runInContext(expression, realm) as T;
};
const tensorElsewhere = ({ data, shape }: { data: Float32Array; shape: number[] }) =>
  elsewhere<typeof x>('({ data: Float32Array.from(values), shape: Array.from(sizes) })', {
    values: data,
    sizes: shape,
  });

describe('pixels', () => {
  test.each<[string, Uint8ClampedArray | Uint8Array]>([
    ['a Uint8Array', Uint8Array.from(image.data)],
    ['a Buffer', Buffer.from(image.data)],
    ['on a SharedArrayBuffer', sharedCopy(image.data)],
    ['at an odd offset', offsetCopy(image.data)],
    ['a Uint8ClampedArray of another realm', elsewhere('Uint8ClampedArray.from(values)', { values: image.data })],
    ['a Uint8Array of another realm', elsewhere('Uint8Array.from(values)', { values: image.data })],
  ])('%s', async (_, data) => {
    const { data: got, width, height, colorSpace } = await upscaler.upscale({ data, width: 12, height: 9 });
    expect([width, height, colorSpace]).toEqual([24, 18, undefined]);
    expect(got).toEqual(want);
  });

  test('display-p3 stays display-p3: results and tiles', async () => {
    const p3 = { ...image, colorSpace: 'display-p3' } as const;
    const result = await upscaler.upscale(p3);
    expect([result.colorSpace, result.data]).toEqual(['display-p3', want]);
    for await (const tile of upscaler.tiles(p3)) expect(tile.image.colorSpace).toBe('display-p3');
  });

  test.runIf('Float16Array' in globalThis)('floats of 0..1, rounded and clamped', async () => {
    const half = Reflect.get(globalThis, 'Float16Array').from(image.data, (value: number) => value / 255);
    expect((await upscaler.upscale({ data: half, width: 12, height: 9 })).data).toEqual(want);
  });
});

describe('a model', () => {
  const other = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  test.each<[string, any]>([
    ['a Buffer', bytes],
    ['a Uint8Array in the middle of its buffer', offsetCopy(bytes)],
    ['an ArrayBuffer', other],
    ['an ArrayBuffer of another realm', elsewhere('Uint8Array.from(values).buffer', { values: bytes })],
    ['a URL', file],
    ['a URL string', file.href],
    ['a data: URL', `data:;base64,${bytes.toString('base64')}`],
  ])('%s', async (_, model) => {
    for (const thread of ['worker', 'inline'] as const) {
      const own = await createUpscaler({ backend: 'wasm', thread, workers: 1, model });
      expect((await own.upscale(image)).data).toEqual(want);
      own.dispose();
    }
  });

  test('from a server, and the server’s answer where there is none', async () => {
    const server = createServer((request, response) =>
      request.url === '/small.safetensors' ? response.end(bytes) : response.writeHead(410).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const own = await createUpscaler({ backend: 'wasm', thread: 'inline', model: `${origin}/small.safetensors` });
      expect((await own.upscale(image)).data).toEqual(want);
      own.dispose();
      const error = await rejection(createUpscaler({ model: `${origin}/gone` }));
      expect([error.code, error.message]).toEqual(['ModelInvalid', expect.stringContaining('410')]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('a wasm build', () => {
  const url = pathToFileURL(new URL('../../dist/carafe-simd.wasm', import.meta.url).pathname);
  const wasm = readFileSync(url);
  test.each<[string, any]>([
    ['a Buffer', wasm],
    ['an ArrayBuffer of another realm', elsewhere('Uint8Array.from(values).buffer', { values: wasm })],
    ['a URL', url],
    ['a URL string', url.href],
    ['a Module', new WebAssembly.Module(wasm)],
    ['a Module of another realm', elsewhere('new WebAssembly.Module(Uint8Array.from(values))', { values: wasm })],
  ])('%s', async (_, build) => {
    const own = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'small', wasm: build });
    expect((await own.upscale(image)).width).toBe(24);
    own.dispose();
  });
});

test('tensors of another realm: features, kernels, weights, bias, into', async () => {
  const kernels = randomTensor([1, 25, 6, 4], 6);
  expect((await carafe(tensorElsewhere(x), tensorElsewhere(kernels), { backend: 'wasm' })).data).toEqual(
    (await carafe(x, kernels, { backend: 'wasm' })).data,
  );
  const here = await createCarafe({ encode }, { backend: 'wasm', thread: 'inline' });
  const there = await createCarafe(
    { encode: { weights: tensorElsewhere(encode.weights), bias: tensorElsewhere(encode.bias) } },
    { backend: 'wasm', thread: 'inline' },
  );
  const into = elsewhere<Float32Array>('new Float32Array(96)');
  const { data } = await there.upsample(tensorElsewhere(x), { into });
  expect(Float32Array.from(data)).toEqual((await here.upsample(x)).data);
  here.dispose();
  there.dispose();
});

test('no images are an empty result, in the module and the operator', async () => {
  const none = { data: new Float32Array(0), shape: [0, 4, 3, 2] };
  const noKernels = { data: new Float32Array(0), shape: [0, 25, 6, 4] };
  expect(await carafe(none, noKernels, { backend: 'wasm' })).toEqual({ ...none, shape: [0, 4, 6, 4] });
  for (const thread of ['worker', 'inline'] as const) {
    const module = await createCarafe({ encode }, { backend: 'wasm', thread });
    expect(await module.upsample(none)).toEqual({ ...none, shape: [0, 4, 6, 4] });
    expect(await module.predictKernels(none)).toEqual({ ...none, shape: [0, 25, 6, 4] });
    expect((await module.upsample(x)).shape).toEqual([1, 4, 6, 4]);
    module.dispose();
  }
  const nhwc = await createCarafe({ encode }, { backend: 'wasm', thread: 'inline', layout: 'NHWC' });
  expect((await nhwc.upsample({ ...none, shape: [0, 3, 2, 4] })).shape).toEqual([0, 6, 4, 4]);
  expect((await nhwc.predictKernels({ ...none, shape: [0, 3, 2, 4] })).shape).toEqual([0, 6, 4, 25]);
  nhwc.dispose();
  const wrong = { ...none, shape: [0, 5, 3, 2] };
  expect((await rejection(carafe(wrong, noKernels, { groups: 2, backend: 'wasm' }))).code).toBe('ShapeMismatch');
});

test('the package itself in another realm, as under jest: Buffers, files and errors', async () => {
  const { outputFiles } = await build({
    stdin: { contents: "export * from 'carafe-web';", resolveDir: new URL('.', import.meta.url).pathname },
    bundle: true,
    platform: 'node',
    format: 'iife',
    globalName: 'carafe',
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
    logLevel: 'silent',
    write: false,
  });
  const jest = jestRealm();
  vm.runInContext(outputFiles[0].text, jest);
  const inside = vm.runInContext('carafe', jest) as typeof import('carafe-web');
  const own = await inside.createUpscaler({ backend: 'wasm', thread: 'inline', model: bytes });
  const { data } = await own.upscale({ data: Buffer.from(image.data), width: 12, height: 9 });
  own.dispose();
  expect(Uint8ClampedArray.from(data)).toEqual(want);
  const error = await rejection(inside.upscale({ data: new Uint8Array(3), width: 1, height: 1 }));
  expect([error.name, error.code, error instanceof CarafeError]).toEqual(['CarafeError', 'UnsupportedImage', false]);
});

function sharedCopy(from: Uint8ClampedArray): Uint8ClampedArray {
  const copy = new Uint8ClampedArray(new SharedArrayBuffer(from.length));
  copy.set(from);
  return copy;
}

function offsetCopy(from: ArrayLike<number>): Uint8Array {
  const copy = new Uint8Array(from.length + 9).subarray(3, from.length + 3);
  copy.set(from);
  return copy;
}
