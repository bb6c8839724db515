// carafe() and createCarafe() as users call them: against PyTorch's golden vectors, in workers and on this thread, in
// both layouts.
import { readFileSync } from 'node:fs';
import {
  type Activation,
  carafe,
  createCarafe,
  listBackends,
  type Normalizer,
  type Padding,
  type Tensor,
} from 'carafe-web';
import { describe, expect, test } from 'vitest';
import { parseSafetensors } from '../../src/models/safetensors.js';

interface Golden {
  name: string;
  params: {
    scale: number;
    kUp: number;
    groups: number;
    padding: Padding;
    kEnc: number;
    dilation: number;
    normalizer: Normalizer;
    activation: Activation;
    slope?: number;
  };
}

function golden(op: string): { cases: Golden[]; tensor: (name: string, item: string) => Tensor | undefined } {
  const { tensors, metadata } = parseSafetensors(readFileSync(new URL(`../golden/${op}.safetensors`, import.meta.url)));
  return {
    cases: JSON.parse(metadata.cases),
    tensor: (name, item) => tensors.get(`${name}/${item}`) as Tensor | undefined,
  };
}

/**
 * The bound of the outside checks: 2e-5 of the largest magnitude in sight, far above f32 rounding and far below any
 * wrong tap.
 */
function expectClose(got: Tensor, want: Tensor): void {
  expect(got.shape).toEqual(want.shape);
  const magnitude = want.data.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-3);
  const worst = got.data.reduce((max, value, i) => Math.max(max, Math.abs(value - want.data[i])), 0);
  expect(worst / magnitude).toBeLessThanOrEqual(2e-5);
}

describe.each(['wasm', 'reference'] as const)('%s', (backend) => {
  const operator = golden('reassemble');
  test.each(operator.cases)('carafe: $name', async ({ name, params: { scale, kUp, groups, padding } }) => {
    const get = (item: string): Tensor => operator.tensor(name, item)!;
    expectClose(await carafe(get('features'), get('kernels'), { scale, kUp, groups, padding, backend }), get('y'));
  });

  const learned = golden('carafe-pack');
  test.each(learned.cases)('createCarafe: $name', async ({ name, params }) => {
    const get = (item: string): Tensor => learned.tensor(name, item)!;
    const compress = learned.tensor(name, 'compress.weights') && {
      weights: get('compress.weights'),
      bias: learned.tensor(name, 'compress.bias'),
    };
    const module = await createCarafe(
      { compress, encode: { weights: get('encode.weights'), bias: learned.tensor(name, 'encode.bias') } },
      { ...params, backend, thread: 'inline' },
    );
    expectClose(await module.predictKernels(get('x')), get('kernels'));
    expectClose(await module.upsample(get('x')), get('y'));
    module.dispose();
  });
});

test('createCarafe in a worker gives the bits of this thread, in both layouts, and leaves the input alone', async () => {
  const {
    cases: [{ name, params }],
    tensor,
  } = golden('carafe-pack');
  const get = (item: string): Tensor => tensor(name, item)!;
  const weights = {
    ...(tensor(name, 'compress.weights') && {
      compress: { weights: get('compress.weights'), bias: get('compress.bias') },
    }),
    encode: { weights: get('encode.weights'), bias: get('encode.bias') },
  };
  const [inWorker, inline, nhwc] = await Promise.all([
    createCarafe(weights, { ...params, backend: 'wasm', thread: 'worker' }),
    createCarafe(weights, { ...params, backend: 'wasm', thread: 'inline' }),
    createCarafe(weights, { ...params, backend: 'wasm', layout: 'NHWC' }),
  ]);
  expect([inWorker.info.thread, inline.info.thread]).toEqual(['worker', 'inline']);
  const x = get('x');
  const before = x.data.slice();
  const [a, b] = [await inWorker.upsample(x), await inline.upsample(x)];
  expect(a).toEqual(b);
  expect(x.data).toEqual(before);
  const [n, c, h, w] = x.shape;
  const last = await nhwc.upsample({ data: toNhwc(x), shape: [n, h, w, c] });
  expect(last.shape).toEqual([b.shape[0], b.shape[2], b.shape[3], b.shape[1]]);
  expect(last.data).toEqual(toNhwc(b));
  for (const module of [inWorker, inline, nhwc]) module.dispose();
});

function toNhwc({ data, shape: [n, c, h, w] }: Tensor): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; i++)
    for (let ci = 0; ci < c; ci++)
      for (let p = 0; p < h * w; p++) out[(i * h * w + p) * c + ci] = data[(i * c + ci) * h * w + p];
  return out;
}

test.each([
  ['wasm', 'worker'],
  ['wasm', 'inline'],
  ['reference', 'inline'],
] as const)('upsample into an earlier result: %s, %s', async (backend, thread) => {
  const encode = {
    weights: { data: Float32Array.from({ length: 36 * 4 * 9 }, (_, i) => Math.sin(i)), shape: [36, 4, 3, 3] },
  };
  const module = await createCarafe({ encode }, { scale: 2, kUp: 3, backend, thread });
  const input = (seed: number, h: number): Tensor => ({
    data: Float32Array.from({ length: 4 * h * 6 }, (_, i) => Math.sin(seed + i)),
    shape: [1, 4, h, 6],
  });
  const [large, small] = [await module.upsample(input(1, 5)), await module.upsample(input(2, 3))];
  const [a, b] = await Promise.all([module.upsample(input(1, 5)), module.upsample(input(2, 3))]);
  expect([a, b]).toEqual([large, small]);
  const again = await module.upsample(input(1, 5), { into: a.data });
  expect(again).toEqual(large);
  expect(a.data === again.data || a.data.length === 0).toBe(true);
  await expect(module.upsample(input(1, 5), { into: b.data })).rejects.toMatchObject({ code: 'ShapeMismatch' });
  await expect(
    module.upsample(input(1, 5), { into: new Float32Array(4 * 10 * 12 + 1).subarray(1) }),
  ).rejects.toMatchObject({ code: 'InvalidOption' });
  module.dispose();
});

test('tensors on a SharedArrayBuffer: a worker reads and writes them where they are', async () => {
  const encode = {
    weights: { data: Float32Array.from({ length: 36 * 4 * 9 }, (_, i) => Math.sin(i)), shape: [36, 4, 3, 3] },
  };
  const module = await createCarafe({ encode }, { scale: 2, kUp: 3, backend: 'wasm', thread: 'worker' });
  const onShared = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(length * 4));
  const x = { data: onShared(4 * 5 * 6).map((_, i) => Math.sin(i)), shape: [1, 4, 5, 6] };
  const shared = { data: onShared(4 * 5 * 6), shape: x.shape };
  shared.data.set(x.data);
  const into = onShared(4 * 10 * 12);
  const y = await module.upsample(shared, { into });
  expect(y.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(into).toEqual(y.data);
  expect([...y.data]).toEqual([...(await module.upsample(x)).data]);
  module.dispose();
});

test('one array as `into` of two calls: the first takes it, both settle', async () => {
  const encode = { weights: { data: new Float32Array(36 * 4 * 9).fill(0.1), shape: [36, 4, 3, 3] } };
  const module = await createCarafe({ encode }, { scale: 2, kUp: 3, backend: 'wasm', thread: 'worker' });
  const x = { data: new Float32Array(4 * 5 * 6).fill(1), shape: [1, 4, 5, 6] };
  const want = await module.upsample(x);
  const into = new Float32Array(want.data.length);
  const [first, second] = await Promise.allSettled([module.upsample(x, { into }), module.upsample(x, { into })]);
  expect(first).toEqual({ status: 'fulfilled', value: want });
  expect(second).toMatchObject({ reason: { code: 'ShapeMismatch', message: expect.stringContaining('earlier call') } });
  module.dispose();
});

test('listBackends reports each with a reason or details', async () => {
  expect(await listBackends()).toEqual([
    { name: 'webgpu', available: false, reason: expect.stringContaining('navigator.gpu'), details: '' },
    { name: 'wasm', available: true, details: expect.stringMatching(/^(relaxed-)?simd$/) },
    { name: 'reference', available: true, details: expect.any(String) },
  ]);
});
