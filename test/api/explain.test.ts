// explainReassembly and upscaler.explain: the weights they name, times the source pixels, are the pixel that is
// computed.
import { carafe, createUpscaler, explainReassembly, type Padding, type RawImage, type Tensor } from 'carafe-web';
import { describe, expect, it } from 'vitest';
import { randomTensor, rejection, testImage } from './support.js';

const crop = ({ data, shape: [n, c, h, w] }: Tensor, height: number, width: number): Tensor => ({
  data: data.filter((_, i) => Math.floor(i / w) % h < height && i % w < width),
  shape: [n, c, height, width],
});

describe('explainReassembly', () => {
  for (const padding of ['zero', 'replicate', 'reflect'] as Padding[]) {
    it(`through two levels, cropped between, with ${padding} at the border`, async () => {
      const x = randomTensor([1, 4, 5, 4], 1);
      const first = { kernels: randomTensor([1, 2 * 9, 10, 8], 2), scale: 2, kUp: 3, groups: 2, padding };
      const second = { kernels: randomTensor([1, 25, 27, 24], 3), scale: 3, kUp: 5, padding };
      const on = { backend: 'reference' } as const;
      const middle = crop(await carafe(x, first.kernels, { ...first, ...on }), 9, 8);
      const out = await carafe(middle, second.kernels, { ...second, ...on });
      for (const [px, py, channel] of [
        [0, 0, 0],
        [11, 13, 1],
        [23, 26, 3],
        [5, 20, 2],
      ]) {
        const sources = explainReassembly([first, second], { x: px, y: py, group: channel < 2 ? 0 : 1 });
        const sum = sources.reduce(
          (total, { x: sx, y: sy, weight }) => total + weight * x.data[(channel * 5 + sy) * 4 + sx],
          0,
        );
        expect(sum).toBeCloseTo(out.data[(channel * 27 + py) * 24 + px], 4);
        expect(sources.every(({ weight }, i) => i === 0 || Math.abs(weight) <= Math.abs(sources[i - 1].weight))).toBe(
          true,
        );
      }
    });
  }

  it('a pixel outside and kernels of another size are refused', async () => {
    const level = { kernels: randomTensor([1, 9, 4, 4], 1), scale: 2, kUp: 3 };
    const call = async (...args: Parameters<typeof explainReassembly>) => explainReassembly(...args);
    expect(await rejection(call([level], { x: 4, y: 0 }))).toMatchObject({ code: 'InvalidOption' });
    expect(await rejection(call([{ ...level, kUp: 5 }], { x: 0, y: 0 }))).toMatchObject({ code: 'ShapeMismatch' });
    expect(await rejection(call([], { x: 0, y: 0 }))).toMatchObject({ code: 'InvalidOption' });
    for (const point of [undefined, null, { x: 1.5, y: 0 }])
      expect(await rejection(call([level], point as never))).toMatchObject({ code: 'InvalidOption' });
    expect(await rejection(call([{} as never], { x: 0, y: 0 }))).toMatchObject({ code: 'ShapeMismatch' });
  });
});

describe('upscaler.explain', () => {
  const grey = (width: number, height: number, alphaOf?: (x: number, y: number) => number): RawImage => {
    const image = testImage(width, height, alphaOf);
    for (let i = 0; i < image.data.length; i += 4)
      image.data.fill(Math.round(0.2 * image.data[i] + 0.8 * image.data[i + 2]), i, i + 3);
    return image;
  };
  const sum = (values: Float32Array, factor: (i: number) => number): number =>
    values.reduce((total, v, i) => total + v * factor(i), 0);

  for (const [model, scale] of [
    ['base', 2],
    ['large', 2],
    ['small', 3],
    ['tiny', 4],
  ] as const) {
    it(`${model} x${scale}: weights times pixels and the constant are the pixel that upscale() gives`, async () => {
      const upscaler = await createUpscaler({ model, scale, backend: 'reference' });
      const image = grey(17, 13);
      const big = await upscaler.upscale(image);
      for (const [x, y] of [
        [0, 0],
        [17 * scale - 1, 13 * scale - 1],
        [15, 9],
        [8 * scale + 1, 5 * scale],
        [2, 12 * scale],
      ]) {
        const why = await upscaler.explain(image, x, y);
        expect(why.weights).toHaveLength(why.width * why.height);
        expect(sum(why.weights, (i) => why.luma[i]) + why.constant).toBeCloseTo(why.value, 5);
        const byte = big.data[4 * (y * big.width + x)];
        expect(Math.abs(byte - Math.min(Math.max(255 * why.value, 0), 255))).toBeLessThan(0.501);
        why.luma.forEach((luma, i) => {
          const pixel = (why.y + Math.floor(i / why.width)) * image.width + why.x + (i % why.width);
          expect(luma).toBeCloseTo(image.data[4 * pixel] / 255, 6);
        });
        expect(sum(why.bicubic, () => 1)).toBeCloseTo(1, 6);
        for (const kernel of why.kernels) {
          expect(kernel).toHaveLength(why.kUp ** 2);
          expect(sum(kernel, () => 1)).toBeCloseTo(1, 5);
        }
      }
      upscaler.dispose();
    });
  }

  it('the heaviest pixel lies under the output pixel, and others are subtracted', async () => {
    const upscaler = await createUpscaler({ model: 'base', backend: 'wasm' });
    const image = grey(31, 29);
    const why = await upscaler.explain(image, 30, 29);
    const at = why.weights.indexOf(Math.max(...why.weights)); // under the output pixel, or beside it
    const [x, y] = [why.x + (at % why.width), why.y + Math.floor(at / why.width)];
    expect([Math.abs(x - 15) <= 1, Math.abs(y - 14) <= 1]).toEqual([true, true]);
    expect(why.weights.some((w) => w < 0)).toBe(true);
    upscaler.dispose();
  });

  it('invisible pixels have the colour that they were given', async () => {
    const upscaler = await createUpscaler({ model: 'base', backend: 'wasm' });
    const flat = grey(21, 21, (x) => (x < 9 ? 0 : 255));
    flat.data.forEach((_, i) => {
      if (i % 4 < 3) flat.data[i] = flat.data[i - (i % 4) + 3] === 0 ? 7 : 150;
    });
    const { luma, value } = await upscaler.explain(flat, 20, 20);
    expect(Math.min(...luma)).toBeCloseTo(150 / 255, 6);
    expect(value).toBeCloseTo(150 / 255, 2);
    upscaler.dispose();
  });

  it('a pixel outside of the enlargement, and a call after dispose()', async () => {
    const upscaler = await createUpscaler({ model: 'small', backend: 'wasm' });
    for (const [x, y] of [
      [34, 0],
      [0, 26],
      [-1, 0],
      [1.5, 0],
    ])
      expect(await rejection(upscaler.explain(grey(17, 13), x, y))).toMatchObject({ code: 'InvalidOption' });
    upscaler.dispose();
    expect(await rejection(upscaler.explain(grey(17, 13), 0, 0))).toMatchObject({ code: 'Disposed' });
  });
});
