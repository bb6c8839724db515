// explainReassembly: the weights it names, times the source pixels, are the pixel that carafe() computes.
import { carafe, explainReassembly, type Padding, type Tensor } from 'carafe-web';
import { describe, expect, it } from 'vitest';
import { randomTensor, rejection } from './support.js';

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
  });
});
