// createGpuCarafe on Dawn: the module between other programs on one device. Nothing but dispatches is recorded, nothing
// is submitted.
import { type CarafeModuleOptions, type CarafeWeights, createCarafe, type Tensor } from 'carafe-web';
import { createGpuCarafe, type PreparedCarafe } from 'carafe-web/webgpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeGpuDevice } from '../backends.js';
import { randomTensor, rejection } from './support.js';

const STORAGE = 0x80;
const COPY_SRC = 0x04;
const COPY_DST = 0x08;
let device: GPUDevice;
beforeAll(async () => {
  device = await nodeGpuDevice();
});
afterAll(() => device?.destroy());

const conv = (cOut: number, cIn: number, k: number, seed: number) => ({
  weights: randomTensor([cOut, cIn, k, k], seed, 2 / Math.sqrt(cIn * k * k)),
  bias: { data: randomTensor([1, 1, 1, cOut], seed + 1).data, shape: [cOut] },
});
const weights: CarafeWeights = { compress: conv(6, 8, 1, 1), encode: conv(100, 6, 3, 3) };

function buffer(size: number, values?: Float32Array): GPUBuffer {
  const made = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  if (values) device.queue.writeBuffer(made, 0, values as Float32Array<ArrayBuffer>);
  return made;
}

async function read(from: GPUBuffer, length: number): Promise<Float32Array> {
  const readback = device.createBuffer({ size: from.size, usage: 0x01 | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, readback, 0, from.size);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(0x01);
  return new Float32Array(readback.getMappedRange()).slice(0, length);
}

async function upsample(prepared: PreparedCarafe, x: Tensor): Promise<Tensor> {
  const [from, to] = [buffer(x.data.byteLength, x.data), buffer(prepared.bytes)];
  const encoder = device.createCommandEncoder();
  prepared.record(encoder, from, to);
  device.queue.submit([encoder.finish()]);
  return { data: await read(to, prepared.bytes / 4), shape: prepared.shape };
}

describe('equals the reference', () => {
  const cases: Record<string, [CarafeWeights, CarafeModuleOptions]> = {
    default: [weights, {}],
    NHWC: [weights, { layout: 'NHWC' }],
    'no compressor, groups 2, scale 3': [{ encode: conv(162, 8, 3, 5) }, { scale: 3, kUp: 3, groups: 2 }],
    'silu, reflect': [weights, { activation: 'silu', padding: 'reflect' }],
    'a convolution after': [{ ...weights, out: conv(5, 8, 1, 9) }, {}],
  };
  test.each(Object.entries(cases))('%s', async (_, [parameters, options]) => {
    const carafe = createGpuCarafe(device, { weights: parameters, options });
    const reference = await createCarafe(parameters, { ...options, backend: 'reference' });
    const x = randomTensor(options.layout === 'NHWC' ? [2, 5, 7, 8] : [2, 8, 5, 7], 7);
    const [got, want] = [await upsample(await carafe.prepare(x.shape), x), await reference.upsample(x)];
    expect(got.shape).toEqual(want.shape);
    expect(Math.max(...want.data.map((v, i) => Math.abs(v - got.data[i])))).toBeLessThan(2e-5);
    carafe.dispose();
    reference.dispose();
  });
});

test('recorded twice in one encoder, between buffers of which each is of the caller: both are right', async () => {
  const carafe = createGpuCarafe(device, { weights });
  const prepared = await carafe.prepare([1, 8, 4, 6]);
  const inputs = [randomTensor([1, 8, 4, 6], 1), randomTensor([1, 8, 4, 6], 2)];
  const places = inputs.map(({ data }) => [buffer(data.byteLength, data), buffer(prepared.bytes + 64)] as const);
  const encoder = device.createCommandEncoder();
  for (const [x, y] of places) prepared.record(encoder, x, y);
  device.queue.submit([encoder.finish()]);
  for (const [i, [, y]] of places.entries())
    expect(await read(y, prepared.bytes / 4)).toEqual((await upsample(prepared, inputs[i])).data);
  carafe.dispose();
});

test('record() makes dispatches: no copy, no submit, no buffer, no map', async () => {
  const carafe = createGpuCarafe(device, { weights });
  const prepared = await carafe.prepare([1, 8, 4, 6]);
  const [x, y] = [buffer(8 * 24 * 4), buffer(prepared.bytes)];
  const encoder = device.createCommandEncoder();
  prepared.record(encoder, x, y); // its bind groups are known from here on
  const calls: string[] = [];
  const watched = <T extends object>(target: T, name: string): T =>
    new Proxy(target, {
      get(object, key) {
        const value = Reflect.get(object, key);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          calls.push(`${name}.${String(key)}`);
          const result = value.apply(object, args);
          return key === 'beginComputePass' ? watched(result, 'pass') : result;
        };
      },
    });
  const { createBuffer } = device;
  const { submit } = device.queue;
  device.createBuffer = () => expect.fail('a buffer');
  device.queue.submit = () => expect.fail('a submit');
  try {
    prepared.record(watched(encoder, 'encoder'), x, y);
  } finally {
    device.createBuffer = createBuffer;
    device.queue.submit = submit;
  }
  expect([...new Set(calls)].sort()).toEqual([
    'encoder.beginComputePass',
    'pass.dispatchWorkgroups',
    'pass.end',
    'pass.setBindGroup',
    'pass.setPipeline',
  ]);
  carafe.dispose();
});

test('what is wrong is said', async () => {
  const carafe = createGpuCarafe(device, { weights });
  expect(await rejection(carafe.prepare([1, 7, 4, 6]))).toMatchObject({ code: 'ShapeMismatch' });
  expect(await rejection(carafe.prepare([8, 4, 6]))).toMatchObject({ code: 'ShapeMismatch' });
  expect(await rejection(carafe.prepare([1, 8, 4.5, 6]))).toMatchObject({ code: 'ShapeMismatch' });
  const prepared = await carafe.prepare([1, 8, 4, 6]);
  const [x, y] = [buffer(8 * 24 * 4), buffer(prepared.bytes)];
  const record = async (from: object, to: object): Promise<void> =>
    prepared.record(device.createCommandEncoder(), from as GPUBuffer, to as GPUBuffer);
  expect(await rejection(record(x, x))).toMatchObject({
    code: 'InvalidOption',
    message: expect.stringContaining('"y", got 768'),
  });
  expect(await rejection(record(y, y))).toMatchObject({
    code: 'InvalidOption',
    message: expect.stringContaining('another buffer than x'),
  });
  expect(await rejection(record({}, y))).toMatchObject({
    code: 'InvalidOption',
    message: expect.stringContaining('a GPUBuffer for "x"'),
  });
  const unusable = device.createBuffer({ size: prepared.bytes, usage: COPY_DST });
  expect(await rejection(record(x, unusable))).toMatchObject({
    code: 'InvalidOption',
    message: expect.stringContaining('STORAGE'),
  });
  carafe.dispose();
  carafe.dispose();
  expect(await rejection(record(x, y))).toMatchObject({ code: 'Disposed' });
  expect(await rejection(carafe.prepare([1, 8, 4, 6]))).toMatchObject({ code: 'Disposed' });
  expect(() => createGpuCarafe({} as GPUDevice, { weights })).toThrow(
    expect.objectContaining({ code: 'InvalidOption' }),
  );
  expect(() => createGpuCarafe(device, null as never)).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
});

test('no images: nothing is dispatched', async () => {
  const carafe = createGpuCarafe(device, { weights });
  const prepared = await carafe.prepare([0, 8, 4, 6]);
  expect([prepared.shape, prepared.bytes]).toEqual([[0, 8, 8, 12], 0]);
  prepared.record(device.createCommandEncoder(), buffer(4), buffer(4));
  carafe.dispose();
});
