// What people saw and disliked in enlarged pictures, through the public API: coloured text that left its colours,
// dithers that changed brightness, rings in transparency.
import { createUpscaler, type RawImage, type Upscaler } from 'carafe-web';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { imresize } from '../../bench/imresize.js';

const SCALES = [2, 3, 4] as const;
const MODELS = ['tiny', 'small', 'base', 'large'] as const;
const networks = SCALES.flatMap((scale) => MODELS.map((model) => ({ scale, model })));
/** And those that are files beside the package. */
const withXl = [...networks, { scale: 2, model: 'xl' }] as const;
const all = [...withXl, { scale: 4, model: 'xl' }] as const;
const open = (scale: 2 | 3 | 4, model: (typeof all)[number]['model']): Promise<Upscaler> =>
  createUpscaler({
    backend: 'wasm',
    scale,
    model: model === 'xl' ? new URL(`../../models/xl-x${scale}.safetensors`, import.meta.url) : model,
  });

type Colour = readonly [number, number, number];
const COLOURS: Colour[] = [
  [207, 34, 46],
  [9, 105, 218],
  [26, 127, 55],
  [255, 128, 0],
  [130, 80, 223],
  [0, 128, 128],
];
const GROUNDS: Colour[] = [
  [255, 255, 255],
  [0, 0, 0],
  [128, 128, 128],
];

function picture(width: number, height: number, pixel: (x: number, y: number) => readonly number[]): RawImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++)
    data.set([...pixel(i % width, Math.floor(i / width)), 255].slice(0, 4), 4 * i);
  return { data, width, height };
}

/** How far a channel leaves the range that it has in the (2 radius + 1)^2 source pixels around. */
function outside(small: RawImage, big: RawImage, radius: number, channels: readonly number[]): number {
  const scale = big.width / small.width;
  let worst = 0;
  for (let y = 0; y < small.height; y++) {
    for (let x = 0; x < small.width; x++) {
      for (const c of channels) {
        let [low, high] = [255, 0];
        for (let dy = -radius; dy <= radius; dy++) {
          for (let dx = -radius; dx <= radius; dx++) {
            const [nx, ny] = [x + dx, y + dy];
            if (nx < 0 || ny < 0 || nx >= small.width || ny >= small.height) continue;
            const v = small.data[4 * (ny * small.width + nx) + c];
            low = Math.min(low, v);
            high = Math.max(high, v);
          }
        }
        for (let i = 0; i < scale * scale; i++) {
          const at = (y * scale + Math.floor(i / scale)) * big.width + x * scale + (i % scale);
          worst = Math.max(worst, low - big.data[4 * at + c], big.data[4 * at + c] - high);
        }
      }
    }
  }
  return worst;
}

function rgbPsnr(a: RawImage, b: RawImage): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) if (i % 4 < 3) sum += (a.data[i] - b.data[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * a.width * a.height * 3) / sum);
}

/** Strokes of capital letters, each from point to point within 0..1; an O is a circle. */
const LETTERS: Record<string, readonly (readonly [number, number, number, number])[]> = {
  A: [
    [0, 1, 0.5, 0],
    [0.5, 0, 1, 1],
    [0.2, 0.65, 0.8, 0.65],
  ],
  K: [
    [0, 0, 0, 1],
    [0, 0.6, 1, 0],
    [0.3, 0.4, 1, 1],
  ],
  E: [
    [0, 0, 0, 1],
    [0, 0, 1, 0],
    [0, 0.5, 0.8, 0.5],
    [0, 1, 1, 1],
  ],
  X: [
    [0, 0, 1, 1],
    [1, 0, 0, 1],
  ],
  O: [],
};

/**
 * How much of a pixel the ink of a line of text covers: letters of `size` pixels, as large as a font of that size has
 * them.
 */
function ink(x: number, y: number, size: number): number {
  const [width, height, stroke] = [0.6 * size, 0.72 * size, 0.09 * size];
  const [advance, line] = [0.8 * size, 1.3 * size];
  const letter = 'AKEXO'[(Math.floor(x / advance) + Math.floor(y / line)) % 5];
  const [px, py] = [(x % advance) - 0.1 * size, (y % line) - 0.3 * size];
  let distance = letter === 'O' ? Math.abs(Math.hypot(px - width / 2, py - height / 2) - width / 2) : Infinity;
  for (const [x0, y0, x1, y1] of LETTERS[letter]) {
    const [ax, ay, bx, by] = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height];
    const along = Math.min(Math.max(((px - ax) * bx + (py - ay) * by) / (bx * bx + by * by), 0), 1);
    distance = Math.min(distance, Math.hypot(px - ax - along * bx, py - ay - along * by));
  }
  return Math.min(Math.max(stroke / 2 - distance + 0.5, 0), 1);
}

describe('coloured text', () => {
  const drawn = (side: number, size: number, colour: Colour, ground: Colour): RawImage =>
    picture(side, side, (x, y) => {
      const cover = ink(x + 0.5, y + 0.5, size);
      return colour.map((c, i) => cover * c + (1 - cover) * ground[i]);
    });

  test.each(withXl)(
    'x$scale by $model keeps to its two colours and is sharper than Lanczos',
    async ({ scale, model }) => {
      const upscaler = await open(scale, model);
      const gains: number[] = [];
      let size = 10; // pixels of the small picture: from case to case another
      for (const ground of GROUNDS) {
        for (const colour of COLOURS) {
          const original = drawn(48 * scale, size * scale, colour, ground);
          const [side, small] = [original.width, imresize({ ...original, channels: 4 }, 48, 48) as RawImage];
          const { data } = await sharp(small.data, { raw: { width: 48, height: 48, channels: 4 } })
            .resize(side, side, { kernel: 'lanczos3' })
            .raw()
            .toBuffer({ resolveWithObject: true });
          const lanczos = { data: new Uint8ClampedArray(data), width: side, height: side };
          gains.push(rgbPsnr(original, await upscaler.upscale(small)) - rgbPsnr(original, lanczos));
          const sharpSmall = drawn(48, size, colour, ground); // as text is drawn at that size, not shrunk
          expect(outside(sharpSmall, await upscaler.upscale(sharpSmall), 2, [0, 1, 2])).toBeLessThanOrEqual(12);
          size = size === 24 ? 10 : size + 2;
        }
      }
      upscaler.dispose();
      expect(gains.reduce((sum, gain) => sum + gain / gains.length, 0)).toBeGreaterThan(1.5);
    },
  );
});

describe('dithers', () => {
  const bayer = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
  const patterns: Record<string, (x: number, y: number) => boolean> = {
    'a checkerboard': (x, y) => (x + y) % 2 === 0,
    'dots of 25 %': (x, y) => x % 2 === 0 && y % 2 === 0,
    'dots of 75 %': (x, y) => x % 2 !== 0 || y % 2 !== 0,
    'Bayer 40 %': (x, y) => bayer[(y % 4) * 4 + (x % 4)] < 6.4,
    'stripes of a pixel': (x) => x % 2 === 0,
  };
  const mean = ({ data, width, height }: RawImage, margin: number): number => {
    let [sum, count] = [0, 0];
    for (let y = margin; y < height - margin; y++) {
      for (let x = margin; x < width - margin; x++) {
        sum += data[4 * (y * width + x)];
        count++;
      }
    }
    return sum / count;
  };

  test.each(all)('x$scale by $model are as bright as they were', async ({ scale, model }) => {
    const upscaler = await open(scale, model);
    for (const [name, pattern] of Object.entries(patterns)) {
      const small = picture(48, 48, (x, y) => [0, 0, 0].fill(pattern(x, y) ? 255 : 0));
      const big = await upscaler.upscale(small);
      expect(Math.abs(mean(big, 12 * scale) - mean(small, 12)), name).toBeLessThanOrEqual(3);
    }
    upscaler.dispose();
  });

  /** A photograph in black and white alone, by Floyd and Steinberg's diffusion of errors. */
  const bilevel = async (): Promise<RawImage> => {
    const { data, info } = await sharp(new URL('../../examples/sample.jpg', import.meta.url).pathname)
      .resize(128, 96, { fit: 'cover' })
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const grey = Float64Array.from(data);
    return picture(info.width, info.height, (x, y) => {
      const at = y * info.width + x;
      const byte = grey[at] < 128 ? 0 : 255;
      const error = (grey[at] - byte) / 16;
      if (x + 1 < info.width) grey[at + 1] += 7 * error;
      if (x > 0) grey[at + info.width - 1] += 3 * error; // below the last row there is none
      grey[at + info.width] += 5 * error;
      if (x + 1 < info.width) grey[at + info.width + 1] += error;
      return [byte, byte, byte];
    });
  };

  test.each(all)(
    'x$scale by $model: a photograph of black and white dots keeps its greys',
    async ({ scale, model }) => {
      const upscaler = await open(scale, model);
      const small = await bilevel();
      const big = await upscaler.upscale(small);
      upscaler.dispose();
      const block = (image: RawImage, x: number, y: number, side: number): number => {
        let sum = 0;
        for (let i = 0; i < side * side; i++)
          sum += image.data[4 * ((y * side + Math.floor(i / side)) * image.width + x * side + (i % side))];
        return sum / (side * side);
      };
      const [columns, rows] = [small.width / 16, small.height / 16];
      let sum = 0;
      for (let i = 0; i < columns * rows; i++) {
        const [x, y] = [i % columns, Math.floor(i / columns)];
        sum += (block(big, x, y, 16 * scale) - block(small, x, y, 16)) ** 2;
      }
      expect(Math.sqrt(sum / (columns * rows))).toBeLessThanOrEqual(3);
    },
  );
});

describe('transparency', () => {
  const sprite = picture(16, 16, (x, y) => [
    200,
    80,
    40,
    Math.hypot(x - 8, y - 8) < 6 || (x + 3 * y) % 7 === 0 ? 255 : 0,
  ]);
  const shadow = picture(32, 32, (x, y) => [0, 0, 0, 160 * Math.exp(-((x - 16) ** 2 + (y - 16) ** 2) / 60)]);

  test.each(withXl)('x$scale by $model stays within its surroundings', async ({ scale, model }) => {
    const upscaler = await open(scale, model);
    for (const small of [sprite, shadow])
      expect(outside(small, await upscaler.upscale(small), 1, [3])).toBeLessThanOrEqual(4);
    upscaler.dispose();
  });
});
