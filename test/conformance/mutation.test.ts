// Do the tolerances bite? Ops that are wrong by one source pixel or one tap, in every value they change, on the loosest
// bounds in the table: the suite must fail for each of them.
import { describe, expect, it } from 'vitest';
import type { Backend, ConvWeights, DeviceTensor, Ops } from '../../src/backends/backend.js';
import { createReferenceBackend } from '../../src/backends/reference/reference-backend.js';
import type { Window } from '../../src/core/shapes.js';
import type { RawImage, Tensor } from '../../src/core/tensor.js';
import { ARITHMETIC } from './bounds.js';
import { type Case, caseName, cases } from './cases.js';
import { type Program, programOf } from './programs.js';
import { checkProgram, conformance } from './suite.js';

type Op = Exclude<keyof Ops, 'input' | 'inputPixels' | 'free'>;

interface Mutation {
  readonly op: Op;
  readonly wrong: string;
  readonly mutate: (ops: Ops) => Partial<Ops>;
}

const host = (x: DeviceTensor): Tensor => x as Tensor; // a tensor of the reference backend is the tensor itself

/** Every value is that of the next pixel of its row; the last one's is its own. x (n, h, w, c). */
function nextPixel(x: DeviceTensor): Tensor {
  const { data, shape } = host(x);
  const [, , w, c] = shape;
  return { shape, data: data.map((v, i) => (Math.floor(i / c) % w < w - 1 ? data[i + c] : v)) };
}

/** The same down a column. */
function nextRow(x: DeviceTensor): Tensor {
  const { data, shape } = host(x);
  const [, h, w, c] = shape;
  return { shape, data: data.map((v, i) => (Math.floor(i / (c * w)) % h < h - 1 ? data[i + c * w] : v)) };
}

/** Rows whose taps `a` and `b` have changed places. */
function swapTaps(x: DeviceTensor, { scale, kUp }: Window, a: number, b: number): Tensor {
  const { data, shape } = host(x);
  const [taps, subs] = [kUp * kUp, scale * scale];
  const other = (tap: number): number => (tap === a ? b : tap === b ? a : tap);
  return {
    shape,
    data: data.map((v, i) =>
      kUp === 1 ? v : data[i + (other(Math.floor(i / subs) % taps) - (Math.floor(i / subs) % taps)) * subs],
    ),
  };
}

function swapWeightTaps(conv: ConvWeights, a: number, b: number): ConvWeights {
  const taps = conv.k * conv.k;
  if (taps === 1) return conv;
  const other = (tap: number): number => (tap === a ? b : tap === b ? a : tap);
  return { ...conv, weights: conv.weights.map((_, i) => conv.weights[i - (i % taps) + other(i % taps)]) };
}

/** An encoder whose rows have the taps `a` and `b` in each other's place. */
function swapEncodedTaps(encode: ConvWeights, window: Window, a: number, b: number): ConvWeights {
  const swapped = (data: Float32Array, columns: number): Float32Array => {
    // [column][cOut]
    const byColumn = Float32Array.from(data, (_, i) => data[(i % encode.cOut) * columns + Math.floor(i / encode.cOut)]);
    const { data: rows } = swapTaps({ data: byColumn, shape: [1, 1, columns, encode.cOut] } as Tensor, window, a, b);
    return Float32Array.from(data, (_, i) => rows[(i % columns) * encode.cOut + Math.floor(i / columns)]);
  };
  return {
    ...encode,
    weights: swapped(encode.weights, encode.cIn * encode.k ** 2),
    ...(encode.bias && { bias: swapped(encode.bias, 1) }),
  };
}

function nextPixelOf(image: RawImage): RawImage {
  const { width, data } = image;
  return { ...image, data: data.map((v, i) => ((i >> 2) % width < width - 1 ? data[i + 4] : v)) };
}

const MUTATIONS: Mutation[] = [
  ...(['nchwToNhwc', 'nhwcToNchw'] as const).map(
    (op): Mutation => ({
      op,
      wrong: 'reads the next value',
      mutate: (ops) => ({ [op]: (x: DeviceTensor) => ops[op](nextPixel(x)) }),
    }),
  ),
  {
    op: 'conv2d',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ conv2d: (x, conv, options) => ops.conv2d(nextPixel(x), conv, options) }),
  },
  {
    op: 'conv2d',
    wrong: 'reads the next row',
    mutate: (ops) => ({ conv2d: (x, conv, options) => ops.conv2d(nextRow(x), conv, options) }),
  },
  {
    op: 'conv2d',
    wrong: 'takes its first two taps for each other',
    mutate: (ops) => ({
      conv2d: (x, conv, options) => ops.conv2d(x, swapWeightTaps(conv as ConvWeights, 0, 1), options),
    }),
  },
  {
    op: 'conv2d',
    wrong: 'takes its last two taps for each other',
    mutate: (ops) => ({
      conv2d: (x, conv, options) =>
        ops.conv2d(x, swapWeightTaps(conv as ConvWeights, conv.k ** 2 - 2, conv.k ** 2 - 1), options),
    }),
  },
  {
    op: 'conv2d',
    wrong: 'adds the residual of the next pixel',
    mutate: (ops) => ({
      conv2d: (x, conv, options) =>
        ops.conv2d(x, conv, options?.residual ? { ...options, residual: nextPixel(options.residual) } : options),
    }),
  },
  ...(['pixelShuffle', 'pixelUnshuffle'] as const).flatMap((op): Mutation[] => [
    {
      op,
      wrong: 'reads the next pixel',
      mutate: (ops) => ({ [op]: (x: DeviceTensor, scale: number) => ops[op](nextPixel(x), scale) }),
    },
    {
      op,
      wrong: 'writes one pixel late',
      mutate: (ops) => ({ [op]: (x: DeviceTensor, scale: number) => nextPixel(ops[op](x, scale)) }),
    },
  ]),
  {
    op: 'normalizeKernels',
    wrong: 'writes its first two taps for each other',
    mutate: (ops) => ({
      normalizeKernels: (rows, window, normalizer) =>
        swapTaps(ops.normalizeKernels(rows, window, normalizer), window, 0, 1),
    }),
  },
  {
    op: 'normalizeKernels',
    wrong: 'leaves the last tap out of the sum',
    mutate: (ops) => ({
      normalizeKernels(rows, window, normalizer) {
        const { data, shape } = host(ops.normalizeKernels(rows, window, normalizer));
        if (normalizer === 'sigmoid') return { data, shape } as DeviceTensor;
        const [taps, subs] = [window.kUp ** 2, window.scale ** 2];
        const last = (i: number): number => i - (Math.floor(i / subs) % taps) * subs + (taps - 1) * subs;
        return { shape, data: data.map((v, i) => v / (1 - data[last(i)])) } as DeviceTensor;
      },
    }),
  },
  {
    op: 'reassemble',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({
      reassemble: (x, rows, window, padding, layout) => ops.reassemble(nextPixel(x), rows, window, padding, layout),
    }),
  },
  {
    op: 'reassemble',
    wrong: 'reads the next row',
    mutate: (ops) => ({
      reassemble: (x, rows, window, padding, layout) => ops.reassemble(nextRow(x), rows, window, padding, layout),
    }),
  },
  {
    op: 'reassemble',
    wrong: 'takes its first two taps for each other',
    mutate: (ops) => ({
      reassemble: (x, rows, window, padding, layout) =>
        ops.reassemble(x, swapTaps(rows, window, 0, 1), window, padding, layout),
    }),
  },
  {
    op: 'reassemble',
    wrong: 'takes its last two taps for each other',
    mutate: (ops) => ({
      reassemble: (x, rows, window, padding, layout) =>
        ops.reassemble(x, swapTaps(rows, window, window.kUp ** 2 - 2, window.kUp ** 2 - 1), window, padding, layout),
    }),
  },
  {
    op: 'reassemble',
    wrong: 'pads with the wrong border',
    mutate: (ops) => ({
      reassemble: (x, rows, window, padding, layout) =>
        ops.reassemble(
          x,
          rows,
          window,
          padding === 'zero' ? 'replicate' : padding === 'replicate' ? 'reflect' : 'zero',
          layout,
        ),
    }),
  },
  ...(['reads the next pixel', 'reads the next row'] as const).map(
    (wrong): Mutation => ({
      op: 'carafePack',
      wrong,
      mutate: (ops) => ({
        carafePack(x, module, layout) {
          const next = wrong === 'reads the next pixel' ? nextPixel : nextRow;
          return layout === 'NHWC'
            ? ops.carafePack(next(x), module, layout)
            : ops.carafePack(ops.nhwcToNchw(next(ops.nchwToNhwc(x))), module, layout);
        },
      }),
    }),
  ),
  {
    op: 'carafePack',
    wrong: 'takes its first two taps for each other',
    mutate: (ops) => ({
      carafePack: (x, module, layout) =>
        ops.carafePack(x, { ...module, encode: swapEncodedTaps(module.encode as ConvWeights, module, 0, 1) }, layout),
    }),
  },
  {
    op: 'carafePack',
    wrong: 'takes the first two taps of its encoder for each other',
    mutate: (ops) => ({
      carafePack: (x, module, layout) =>
        ops.carafePack(x, { ...module, encode: swapWeightTaps(module.encode as ConvWeights, 0, 1) }, layout),
    }),
  },
  {
    op: 'carafePack',
    wrong: 'has no activation',
    mutate: (ops) => ({
      carafePack: (x, module, layout) => ops.carafePack(x, { ...module, activation: 'none' }, layout),
    }),
  },
  {
    op: 'carafePack',
    wrong: 'pads with the wrong border',
    mutate: (ops) => ({
      carafePack: (x, module, layout) =>
        ops.carafePack(
          x,
          {
            ...module,
            padding: module.padding === 'zero' ? 'replicate' : module.padding === 'replicate' ? 'reflect' : 'zero',
          },
          layout,
        ),
    }),
  },
  {
    op: 'reassembleSum',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({
      reassembleSum: (maps, x, encode, base, window) => ops.reassembleSum(nextPixel(maps), x, encode, base, window),
    }),
  },
  {
    op: 'reassembleSum',
    wrong: 'encodes the next pixel',
    mutate: (ops) => ({
      reassembleSum: (maps, x, encode, base, window) => ops.reassembleSum(maps, nextPixel(x), encode, base, window),
    }),
  },
  {
    op: 'reassembleSum',
    wrong: 'takes its first two taps for each other',
    mutate: (ops) => ({
      reassembleSum: (maps, x, encode, base, window) =>
        ops.reassembleSum(maps, x, swapEncodedTaps(encode as ConvWeights, window, 0, 1), base, window),
    }),
  },
  {
    op: 'reassembleSum',
    wrong: 'adds the next pixel of the base',
    mutate: (ops) => ({
      reassembleSum: (maps, x, encode, base, window) => ops.reassembleSum(maps, x, encode, nextPixel(base), window),
    }),
  },
  {
    op: 'resize',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ resize: (x, ...rest) => ops.resize(nextPixel(x), ...rest) }),
  },
  {
    op: 'resize',
    wrong: 'reads the next row',
    mutate: (ops) => ({ resize: (x, ...rest) => ops.resize(nextRow(x), ...rest) }),
  },
  {
    op: 'resize',
    wrong: 'has the other cubic parameter',
    mutate: (ops) => ({
      resize: (x, height, width, mode, cubicA = -0.5) => ops.resize(x, height, width, mode, -1.25 - cubicA),
    }),
  },
  {
    op: 'slice',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ slice: (x, ...rest) => ops.slice(nextPixel(x), ...rest) }),
  },
  {
    op: 'concat',
    wrong: 'puts the last one first',
    mutate: (ops) => ({ concat: (...xs) => ops.concat(xs.at(-1)!, ...xs.slice(0, -1)) }),
  },
  {
    op: 'arithmetic',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ arithmetic: (a, ...rest) => ops.arithmetic(nextPixel(a), ...rest) }),
  },
  {
    op: 'averagePool',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ averagePool: (x, ...rest) => ops.averagePool(nextPixel(x), ...rest) }),
  },
  {
    op: 'gridSample',
    wrong: 'reads the next row',
    mutate: (ops) => ({ gridSample: (x, ...rest) => ops.gridSample(nextRow(x), ...rest) }),
  },
  {
    op: 'gridSample',
    wrong: 'takes the offset of the next pixel',
    mutate: (ops) => ({ gridSample: (x, offsets, groups) => ops.gridSample(x, nextPixel(offsets), groups) }),
  },
  {
    op: 'pixelsToPlanes',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({
      pixelsToPlanes: (pixels, alpha) => ops.pixelsToPlanes(nextPixelOf(pixels as RawImage), alpha),
    }),
  },
  {
    op: 'planesToPixels',
    wrong: 'reads the next pixel of luma',
    mutate: (ops) => ({
      planesToPixels: (planes, crop) => ops.planesToPixels({ ...planes, luma: nextPixel(planes.luma) }, crop),
    }),
  },
  {
    op: 'planesToPixels',
    wrong: 'reads the next pixel of chroma',
    mutate: (ops) => ({
      planesToPixels: (planes, crop) => ops.planesToPixels({ ...planes, chroma: nextPixel(planes.chroma) }, crop),
    }),
  },
  {
    op: 'planesToPixels',
    wrong: 'takes the next pixel for the base',
    mutate: (ops) => ({
      planesToPixels: (planes, crop) => ops.planesToPixels({ ...planes, base: nextPixel(planes.base) }, crop),
    }),
  },
  {
    op: 'planesToPixels',
    wrong: 'takes the gains of the next source pixel',
    mutate: (ops) => ({
      planesToPixels: (planes, crop) => ops.planesToPixels({ ...planes, gains: nextPixel(planes.gains) }, crop),
    }),
  },
  ...(['slopes', 'low', 'high'] as const).map(
    (which): Mutation => ({
      op: 'planesToPixels',
      wrong: `takes "${which}" of the next source pixel`,
      mutate: (ops) => ({
        planesToPixels({ lines, ...planes }, crop) {
          const { slopes, low, high } = lines;
          const next = {
            slopes: which === 'slopes' ? nextPixel(slopes) : slopes,
            low: which === 'low' ? nextPixelOf(low as RawImage) : low,
            high: which === 'high' ? nextPixelOf(high as RawImage) : high,
          };
          return ops.planesToPixels({ ...planes, lines: next }, crop);
        },
      }),
    }),
  ),
  {
    op: 'meanGains',
    wrong: 'reads the next pixel',
    mutate: (ops) => ({ meanGains: (big, small) => ops.meanGains(nextPixel(big), small) }),
  },
  {
    op: 'meanGains',
    wrong: 'wants the means of the next row',
    mutate: (ops) => ({ meanGains: (big, small) => ops.meanGains(big, nextRow(small)) }),
  },
  {
    op: 'colourLines',
    wrong: 'reads the next pixel of luma',
    mutate: (ops) => ({ colourLines: (pixels, luma, chroma) => ops.colourLines(pixels, nextPixel(luma), chroma) }),
  },
  {
    op: 'colourLines',
    wrong: 'reads the next row of chroma',
    mutate: (ops) => ({ colourLines: (pixels, luma, chroma) => ops.colourLines(pixels, luma, nextRow(chroma)) }),
  },
  {
    op: 'colourLines',
    wrong: 'bounds by the next pixel',
    mutate: (ops) => ({
      colourLines: (pixels, ...planes) => ops.colourLines(nextPixelOf(pixels as RawImage), ...planes),
    }),
  },
];

/** The reference, with one op replaced. */
function mutant({ mutate }: Mutation): Backend {
  const backend = createReferenceBackend();
  const wrong = (ops: Ops): Ops => ({ ...ops, ...mutate(ops) });
  return {
    ...backend,
    run: (program) => backend.run((ops) => program(wrong(ops))),
    runPixels: (program) => backend.runPixels((ops) => program(wrong(ops))),
  };
}

async function result(backend: Backend, program: Program): Promise<ArrayLike<number>> {
  const convs = program.convs.map((conv) => backend.conv(conv));
  return 'tensor' in program
    ? backend.run((ops) => program.tensor(ops, convs))
    : (await backend.runPixels((ops) => [program.pixels(ops, convs)]))[0];
}

const FLUSHED = 2 ** -124; // below this a backend may give zero, and no test can tell (sigmoids of -90)

describe('a backend that is wrong by one tap fails the suite', () => {
  it('has a mutation for every op that has cases', () => {
    const mutated = new Set<string>(MUTATIONS.map(({ op }) => op));
    expect([...new Set<string>(cases.map(({ op }) => op))].filter((op) => op !== 'image' && !mutated.has(op))).toEqual(
      [],
    );
  });

  for (const mutation of MUTATIONS) {
    it(`${mutation.op} ${mutation.wrong}: every case it changes fails`, async () => {
      const [right, wrong] = [createReferenceBackend(), mutant(mutation)];
      let changed = 0;
      for (const c of cases.filter(({ op }) => op === mutation.op)) {
        const program = programOf(c);
        const [want, got] = [await result(right, program), await result(wrong, program)];
        if (!Array.from(want).some((v, i) => Math.abs(v - got[i]) > FLUSHED)) continue;
        changed++;
        await expect(checkProgram(wrong, program, ARITHMETIC.webgpu), caseName(c)).rejects.toThrow(
          /outside the bounds|bytes are wrong/,
        );
      }
      expect(changed).toBeGreaterThan(0);
    });
  }

  for (const op of new Set(MUTATIONS.map((mutation) => mutation.op))) {
    it(`conformance() reports ${op}`, async () => {
      const tests = new Map<string, () => Promise<void>>();
      conformance(async () => mutant(MUTATIONS.find((mutation) => mutation.op === op)!), {
        test: (name, body) => void tests.set(name, body),
      });
      const failed: Case[] = [];
      for (const c of cases.filter((one) => one.op === op))
        await tests.get(caseName(c))!().catch(() => void failed.push(c));
      expect(failed.length).toBeGreaterThan(0);
    });
  }
});
