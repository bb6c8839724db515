// The models that are no networks, through the public API: against their formulas as plain loops.
import { createUpscaler, type RawImage } from 'carafe-web';
import { describe, expect, test } from 'vitest';
import { difference, testImage } from './support.js';

const sinc = (t: number): number => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
const KERNELS = {
  nearest: { reach: 0.5, at: () => 1 },
  bicubic: {
    reach: 2, // Keys 1981, a = -0.5
    at: (t: number) => (t <= 1 ? 1.5 * t ** 3 - 2.5 * t ** 2 + 1 : -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2),
  },
  lanczos: { reach: 3, at: (t: number) => sinc(t) * sinc(t / 3) },
};
type Name = keyof typeof KERNELS;
const NAMES = Object.keys(KERNELS) as Name[];
const cases = NAMES.flatMap((model) => ([2, 3, 4] as const).map((scale) => ({ model, scale })));

/** One axis: for each output the source indices, edges repeated, and weights that add up to 1. */
function taps(name: Name, size: number, scale: number): [index: number, weight: number][][] {
  const { reach, at } = KERNELS[name];
  return Array.from({ length: size * scale }, (_, o) => {
    const centre = (o + 0.5) / scale - 0.5;
    const found: [number, number][] = [];
    for (let i = Math.floor(centre) - 4; i <= centre + 4; i++) {
      const distance = Math.abs(i - centre);
      if (distance < reach) found.push([Math.min(Math.max(i, 0), size - 1), at(distance)]);
    }
    const sum = found.reduce((total, [, weight]) => total + weight, 0);
    return found.map(([i, weight]) => [i, weight / sum]);
  });
}

/** Values 0..255 before rounding: colours weighted by alpha. */
function enlarged(name: Name, { data, width, height }: RawImage, scale: number): Float64Array {
  const [rows, columns] = [taps(name, height, scale), taps(name, width, scale)];
  const out = new Float64Array(data.length * scale ** 2);
  rows.forEach((down, oy) =>
    columns.forEach((across, ox) => {
      const sums = [0, 0, 0, 0];
      for (const [y, wy] of down) {
        for (const [x, wx] of across) {
          const at = 4 * (y * width + x);
          const alpha = wy * wx * data[at + 3];
          for (let c = 0; c < 3; c++) sums[c] += alpha * data[at + c];
          sums[3] += alpha;
        }
      }
      const values = [...sums.slice(0, 3).map((sum) => sum / sums[3]), sums[3]];
      const visible = sums[3] >= 0.5;
      out.set(
        values.map((v) => (visible ? Math.min(Math.max(v, 0), 255) : 0)),
        4 * (oy * width * scale + ox),
      );
    }),
  );
  return out;
}

const soft = testImage(21, 17, (x, y) => 255 * Math.min(Math.max((x + y - 10) / 12, 0), 1));

describe.each(cases)('$model x$scale', ({ model, scale }) => {
  test('is its formula, colours weighted by alpha', async () => {
    const upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', model, scale });
    expect(upscaler.info).toMatchObject({ model, scale, backend: 'wasm' });
    for (const image of [testImage(21, 17), testImage(1, 1), soft]) {
      const big = await upscaler.upscale(image);
      expect([big.width, big.height]).toEqual([image.width * scale, image.height * scale]);
      const wanted = enlarged(model, image, scale);
      // half of rounding; of colours that are nearly invisible f32 leaves fewer digits
      for (let i = 0; i < wanted.length; i++)
        if (Math.abs(big.data[i] - wanted[i]) > 0.51) expect([i, big.data[i]]).toEqual([i, wanted[i]]);
    }
    upscaler.dispose();
  });

  test('gives the same from any tiles, in a worker', async () => {
    const [whole, tiled] = await Promise.all([
      createUpscaler({ backend: 'wasm', thread: 'inline', model, scale }),
      createUpscaler({ backend: 'wasm', thread: 'worker', workers: 1, model, scale, tile: 8 }),
    ]);
    const [a, b] = await Promise.all([whole.upscale(soft), tiled.upscale(soft)]);
    expect(difference(a.data, b.data).max).toBe(0);
    whole.dispose();
    tiled.dispose();
  });
});

test('nearest is whole pixels', async () => {
  const upscaler = await createUpscaler({ backend: 'wasm', thread: 'inline', model: 'nearest', scale: 3 });
  const image = testImage(9, 7);
  const { data, width } = await upscaler.upscale(image);
  data.forEach((byte, i) => {
    const [x, y] = [Math.floor(((i >> 2) % width) / 3), Math.floor((i >> 2) / width / 3)];
    if (byte !== image.data[4 * (y * image.width + x) + (i & 3)]) throw new Error(`byte ${i} is ${byte}`);
  });
  upscaler.dispose();
});
