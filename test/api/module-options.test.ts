// What a module's call takes besides f32 tensors of full size: f16, no images, and only a part of the result; and what
// it costs.
import { carafe, createCarafe, type Tensor } from 'carafe-web';
import { flops, params, type UpsamplerName } from 'carafe-web/networks';
import { describe, expect, test } from 'vitest';
import { fromHalves, toHalves } from '../../src/core/half.js';
import { randomTensor, rejection } from './support.js';

const weights = { encode: { weights: randomTensor([36, 4, 3, 3], 1, 0.5) } };
const options = { scale: 2, kUp: 3 } as const;

describe.each(['wasm', 'reference'] as const)(
  'size, on %s: what is kept of the result, as mmdet’s slice_as',
  (backend) => {
    test.each([
      [9, 13],
      [10, 13],
      [1, 1],
      [10, 14],
    ])('%i x %i of 10 x 14', async (height, width) => {
      const module = await createCarafe(weights, { ...options, backend, thread: 'inline' });
      const last = await createCarafe(weights, { ...options, backend, thread: 'inline', layout: 'NHWC' });
      const x = randomTensor([2, 4, 5, 7], 2);
      const full = await module.upsample(x);
      const part = await module.upsample(x, { size: [height, width] });
      expect(part.shape).toEqual([2, 4, height, width]);
      const want = full.data.filter((_, i) => Math.floor(i / 14) % 10 < height && i % 14 < width);
      expect(part.data).toEqual(want);
      const nhwc = {
        data: x.data.map((_, i) => x.data[(Math.floor(i / 140) * 4 + (i % 4)) * 35 + (Math.floor(i / 4) % 35)]),
        shape: [2, 5, 7, 4],
      };
      const transposed = await last.upsample(nhwc, { size: [height, width] });
      expect(transposed.shape).toEqual([2, height, width, 4]);
      const planes = want.map((_, i) => {
        const [image, channel, pixel] = [
          Math.floor(i / (4 * height * width)),
          Math.floor(i / (height * width)) % 4,
          i % (height * width),
        ];
        return transposed.data[(image * height * width + pixel) * 4 + channel];
      });
      expect(Math.max(...planes.map((v, i) => Math.abs(v - want[i])))).toBeLessThan(1e-6);
      const into = new Float32Array(want.length);
      expect((await module.upsample(x, { size: [height, width], into })).data).toEqual(want);
      for (const one of [module, last]) one.dispose();
    });

    test('one that is larger, or none, is refused', async () => {
      const module = await createCarafe(weights, { ...options, backend, thread: 'inline' });
      const x = randomTensor([1, 4, 5, 7], 2);
      for (const size of [[11, 14], [10, 15], [0, 3], [3], [2.5, 3], 7])
        expect(await rejection(module.upsample(x, { size: size as never }))).toMatchObject({
          code: 'InvalidOption',
          message: expect.stringContaining('[height, width] of at most [10, 14] for "size"'),
        });
      expect(await rejection(module.upsample(x, { size: [9, 9], into: new Float32Array(4 * 10 * 14) }))).toMatchObject({
        code: 'ShapeMismatch',
      });
      module.dispose();
    });
  },
);

describe('f16 in, f16 out', () => {
  const halves = ({ data, shape }: Tensor) => ({ data: toHalves(data), shape });

  test('bits in a Uint16Array: the f32 result of the widened values, rounded', async () => {
    const module = await createCarafe(weights, { ...options, backend: 'wasm' });
    const x = halves(randomTensor([1, 4, 5, 7], 3));
    const wide = { data: fromHalves(x.data), shape: x.shape };
    const [y, want] = [await module.upsample(x), await module.upsample(wide)];
    expect(y.data).toBeInstanceOf(Uint16Array);
    expect(y).toEqual({ data: toHalves(want.data), shape: [1, 4, 10, 14] });
    const kernels = await module.predictKernels(x);
    expect(kernels.data).toEqual(toHalves((await module.predictKernels(wide)).data));
    expect((await module.upsample(x, { size: [3, 2] })).shape).toEqual([1, 4, 3, 2]);
    expect(await carafe(x, kernels, options)).toEqual({
      data: toHalves((await carafe(wide, { data: fromHalves(kernels.data), shape: kernels.shape }, options)).data),
      shape: [1, 4, 10, 14],
    });
    expect(await rejection(module.upsample(x, { into: new Float32Array(560) } as never))).toMatchObject({
      code: 'InvalidOption',
    });
    expect(await rejection(carafe(wide, kernels as never, options))).toMatchObject({ code: 'ShapeMismatch' });
    module.dispose();
  });

  test('a Float16Array, where there is one', async () => {
    const { Float16Array } = globalThis as unknown as { Float16Array?: new (buffer: ArrayBuffer) => Uint16Array };
    // Engines without it: a class of that name is all that is asked for.
    class Stand extends Uint16Array {
      override get [Symbol.toStringTag](): never {
        return 'Float16Array' as never;
      }
    }
    const Halves = Float16Array ?? Stand;
    const module = await createCarafe(weights, { ...options, backend: 'wasm', thread: 'inline' });
    const bits = toHalves(randomTensor([1, 4, 3, 2], 3).data);
    const y = await module.upsample({ data: new Halves(bits.buffer), shape: [1, 4, 3, 2] });
    expect(y.data).toBeInstanceOf(Halves);
    const want = await module.upsample({ data: bits, shape: [1, 4, 3, 2] });
    expect(new Uint16Array(y.data.buffer)).toEqual(want.data);
    module.dispose();
  });
});

test('no images give no images, of the size that they would have', async () => {
  const module = await createCarafe(
    { ...weights, out: { weights: randomTensor([7, 4, 1, 1], 2) } },
    { ...options, backend: 'wasm' },
  );
  const none = { data: new Float32Array(0), shape: [0, 4, 5, 7] };
  expect(await module.upsample(none)).toEqual({ data: new Float32Array(0), shape: [0, 7, 10, 14] });
  expect(await module.upsample(none, { size: [9, 13] })).toEqual({ data: new Float32Array(0), shape: [0, 7, 9, 13] });
  expect(await module.predictKernels(none)).toEqual({ data: new Float32Array(0), shape: [0, 9, 10, 14] });
  const kernels = { data: new Float32Array(0), shape: [0, 9, 10, 14] };
  expect(await carafe(none, kernels, options)).toEqual({ data: new Float32Array(0), shape: [0, 4, 10, 14] });
  module.dispose();
});

describe('flops and params', () => {
  test.each<[UpsamplerName, number, number]>([
    ['nearest', 0, 0],
    ['bilinear', 8_192, 0],
    ['nearest-conv', 4_718_592, 590_080],
    ['bilinear-conv', 4_726_784, 590_080],
    ['deconv', 1_179_648, 590_080],
    ['pixel-shuffle', 4_718_592, 2_360_320],
    ['gum', 1_060_864, 132_098],
    ['spatial-attention', 27_648, 2_305],
    ['carafe', 199_496, 74_148],
  ])('%s as in Table 2', (name, operations, parameters) => {
    expect([flops(name), params(name)]).toEqual([operations, parameters]);
  });

  test('of a module are those of its weights', () => {
    const sizes = { channels: 8, cMid: 6, kEnc: 1, kUp: 3, scale: 3, groups: 2 };
    expect(params('carafe', sizes)).toBe(8 * 6 + 6 + 6 * 162 + 162);
    expect(flops('carafe', sizes)).toBe(2 * params('carafe', sizes) + 2 * 9 * 9 * 8);
    expect(params('carafe', { ...sizes, cMid: 0 })).toBe(8 * 162 + 162);
    expect(() => flops('carafe', { scale: 0 })).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
    expect(() => flops('dysample' as never)).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
  });
});
