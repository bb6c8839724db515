// What holds for every input, by fast-check, on every backend. A failure prints its seed and path: run again with
// FC_SEED=<seed>.
// Where a property is not exact, its tolerance is the computed bound of the very program (conformance/bounds.ts).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Backend,
  type ConvWeights,
  type DeviceConv,
  type DeviceTensor,
  type Ops,
  PLAIN,
} from '../../src/backends/backend.js';
import { rowLength, type Window } from '../../src/core/shapes.js';
import { elements, type Shape, type Tensor } from '../../src/core/tensor.js';
import { allBackends } from '../backends.js';
import { ARITHMETIC, bound, boundConv } from '../conformance/bounds.js';
import { Random } from '../random.js';

const seed = Number(process.env.FC_SEED ?? 20260);
// a program on a software GPU costs milliseconds
const RUNS: Record<Backend['name'], number> = { reference: 60, wasm: 60, webgpu: 12 };

type Program = (ops: Ops, convs: readonly DeviceConv[]) => DeviceTensor;

const size = fc.integer({ min: 1, max: 7 });
const dataSeed = fc.nat();
const window: fc.Arbitrary<Window> = fc.record({
  scale: fc.integer({ min: 1, max: 4 }),
  kUp: fc.constantFrom(1, 3, 5, 7),
  groups: fc.integer({ min: 1, max: 3 }),
});
const border = fc.constantFrom('zero' as const, 'replicate' as const, 'reflect' as const);
const sumsToOne = fc.constantFrom('softmax' as const, 'sigmoid-normalized' as const);
const geometry = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  h: size,
  w: size,
  perGroup: fc.integer({ min: 1, max: 9 }),
  window,
  seed: dataSeed,
});

for (const { name, open } of allBackends) {
  describe(`properties on ${name}`, () => {
    let opened: Promise<Backend> | undefined;
    const property = <T>(
      title: string,
      arbitrary: fc.Arbitrary<T>,
      check: (backend: Backend, value: T) => Promise<void>,
    ): void => {
      it(title, async () => {
        const backend = await (opened ??= open());
        await fc.assert(
          fc.asyncProperty(arbitrary, (value) => check(backend, value)),
          { seed, numRuns: RUNS[backend.name] },
        );
      });
    };

    property(
      'kernels are not negative and sum to 1',
      fc.record({
        n: fc.integer({ min: 1, max: 2 }),
        h: size,
        w: size,
        window,
        normalizer: sumsToOne,
        amplitude: fc.constantFrom(1, 10, 100),
        level: fc.constantFrom(0, -1e4, 1e4),
        seed: dataSeed,
      }),
      async (backend, { n, h, w, window: win, normalizer, amplitude, level, seed: data }) => {
        const rows = tensor(data, [n, h, w, rowLength(win)], level - amplitude, level + amplitude);
        const { got, error } = await evaluate(backend, (ops) =>
          ops.normalizeKernels(input(ops, rows), win, normalizer),
        );
        expect(got.every((v) => v >= 0)).toBe(true);
        const [taps, subs] = [win.kUp ** 2, win.scale ** 2];
        for (let group = 0; group < got.length; group += taps * subs) {
          for (let first = group; first < group + subs; first++) {
            let [sum, tolerance] = [0, 0];
            for (let tap = 0; tap < taps; tap++) {
              sum += got[first + tap * subs];
              tolerance += error[first + tap * subs];
            }
            within(sum, 1, tolerance);
          }
        }
      },
    );

    property(
      'a constant stays constant off the zero border',
      fc.record({
        geometry,
        padding: border.filter((p) => p !== 'zero'),
        normalizer: sumsToOne,
        level: fc.constantFrom(1, -0.3, 117),
      }),
      async (backend, { geometry: { n, h, w, perGroup, window: win, seed: data }, padding, normalizer, level }) => {
        const rows = tensor(data, [n, h, w, rowLength(win)], -5, 5);
        const features = filled([n, h, w, perGroup * win.groups], level);
        const { got, error } = await evaluate(backend, (ops) =>
          ops.reassemble(
            input(ops, features),
            ops.normalizeKernels(input(ops, rows), win, normalizer),
            win,
            padding,
            'NHWC',
          ),
        );
        // of the backend and of the reference, from the exact value
        got.forEach((v, i) => within(v, level, 2 * error[i]));
      },
    );

    property(
      'a one-hot centre is nearest neighbour, exactly',
      fc.record({ geometry, padding: border }),
      async (backend, { geometry: { n, h, w, perGroup, window: win, seed: data }, padding }) => {
        const c = perGroup * win.groups;
        const features = tensor(data, [n, h, w, c]);
        const { got } = await evaluate(backend, (ops) =>
          ops.reassemble(input(ops, features), input(ops, centreRows(n, h, w, win)), win, padding, 'NHWC'),
        );
        const s = win.scale;
        equal(
          got,
          fill([n, h * s, w * s, c], (i, oy, ox, ci) => at(features, i, Math.floor(oy / s), Math.floor(ox / s), ci)),
        );
      },
    );

    property(
      'scale 1 and a centre delta is the identity, exactly',
      fc.record({ geometry, padding: border }),
      async (
        backend,
        {
          geometry: {
            n,
            h,
            w,
            perGroup,
            window: { kUp, groups },
            seed: data,
          },
          padding,
        },
      ) => {
        const win = { scale: 1, kUp, groups };
        const features = tensor(data, [n, h, w, perGroup * groups]);
        const { got } = await evaluate(backend, (ops) =>
          ops.reassemble(input(ops, features), input(ops, centreRows(n, h, w, win)), win, padding, 'NHWC'),
        );
        equal(got, features.data);
      },
    );

    property(
      'a convolution with a centre delta is the identity, exactly',
      fc.record({
        h: size,
        w: size,
        c: fc.integer({ min: 1, max: 9 }),
        k: fc.constantFrom(1, 3, 5),
        dilation: fc.constantFrom(1, 2),
        seed: dataSeed,
      }),
      async (backend, { h, w, c, k, dilation, seed: data }) => {
        const x = tensor(data, [1, h, w, c]);
        const weights = new Float32Array(c * c * k * k);
        for (let ci = 0; ci < c; ci++) weights[(ci * c + ci) * k * k + (k * k - 1) / 2] = 1;
        const { got } = await evaluate(
          backend,
          (ops, [conv]) => ops.conv2d(input(ops, x), conv, { ...PLAIN, dilation }),
          [{ weights, cOut: c, cIn: c, k }],
        );
        equal(got, x.data);
      },
    );

    property(
      'reassembly is linear in the features',
      fc.record({ geometry, padding: border }),
      async (backend, { geometry: { n, h, w, perGroup, window: win, seed: data }, padding }) => {
        const shape: Shape = [n, h, w, perGroup * win.groups];
        const random = new Random(data);
        const integers = (): Tensor => ({
          shape,
          data: Float32Array.from({ length: elements(shape) }, () => random.integer(-64, 64)),
        });
        const [a, b] = [integers(), integers()];
        const both: Tensor = { shape, data: a.data.map((v, i) => v / 2 - 4 * b.data[i]) }; // exact in f32
        const rows = tensor(data, [n, h, w, rowLength(win)]);
        const reassembled = (x: Tensor): Promise<Evaluated> =>
          evaluate(backend, (ops) => ops.reassemble(input(ops, x), input(ops, rows), win, padding, 'NHWC'));
        const [ya, yb, y] = [await reassembled(a), await reassembled(b), await reassembled(both)];
        y.got.forEach((v, i) =>
          within(v, ya.got[i] / 2 - 4 * yb.got[i], 2 * (y.error[i] + ya.error[i] / 2 + 4 * yb.error[i])),
        );
      },
    );

    property(
      'permuting the channels of a group permutes the result',
      fc.record({ geometry, padding: border }),
      async (backend, { geometry: { n, h, w, perGroup, window: win, seed: data }, padding }) => {
        const c = perGroup * win.groups;
        const features = tensor(data, [n, h, w, c]);
        const rows = tensor(data + 1, [n, h, w, rowLength(win)]);
        const from = permutation(new Random(data), perGroup);
        const source = (ci: number): number => ci - (ci % perGroup) + from[ci % perGroup];
        const permuted: Tensor = {
          shape: features.shape,
          data: fill(features.shape, (i, y, x, ci) => at(features, i, y, x, source(ci))),
        };
        const reassembled = (x: Tensor): Promise<Evaluated> =>
          evaluate(backend, (ops) => ops.reassemble(input(ops, x), input(ops, rows), win, padding, 'NHWC'));
        const [plain, moved] = [await reassembled(features), await reassembled(permuted)];
        moved.got.forEach((v, i) => {
          const j = i - (i % c) + source(i % c);
          within(v, plain.got[j], moved.error[i] + plain.error[j]);
        });
      },
    );

    // Tiles are cut anywhere: an output value has to come out of the same operations wherever its window lies.
    property(
      'moving everything by whole pixels moves the interior, bit for bit',
      fc.record({
        dy: fc.integer({ min: 0, max: 3 }),
        dx: fc.integer({ min: 0, max: 6 }),
        win: window,
        k: fc.constantFrom(1, 3),
        cOut: fc.integer({ min: 1, max: 9 }),
        seed: dataSeed,
      }),
      async (backend, { dy, dx, win, k, cOut, seed: data }) => {
        const [h, w, c] = [11, 14, 2 * win.groups];
        const random = new Random(data);
        const field = tensor(data, [1, h + 3, w + 6, c]);
        const conv: ConvWeights = {
          weights: random.values(cOut * c * k * k),
          bias: random.values(cOut),
          cOut,
          cIn: c,
          k,
        };
        const encode: ConvWeights = { weights: random.values(rowLength(win) * c), cOut: rowLength(win), cIn: c, k: 1 };
        const r = Math.max((k - 1) / 2, (win.kUp - 1) / 2, 2); // 2: bicubic
        const programs: [scale: number, program: (x: Tensor) => Program][] = [
          [
            1,
            (x) =>
              (ops, [device]) =>
                ops.conv2d(input(ops, x), device, { ...PLAIN, activation: 'silu' }),
          ],
          [
            win.scale,
            (x) =>
              (ops, [, device]) => {
                const features = input(ops, x);
                return ops.reassemble(
                  features,
                  ops.normalizeKernels(ops.conv2d(features, device, PLAIN), win, 'softmax'),
                  win,
                  'zero',
                  'NHWC',
                );
              },
          ],
          [
            win.scale,
            (x) => (ops) => ops.resize(input(ops, x), x.shape[1] * win.scale, x.shape[2] * win.scale, 'bicubic', -0.5),
          ],
        ];
        for (const [scale, program] of programs) {
          const whole = await run(backend, program(field), [conv, encode]);
          const moved = await run(backend, program(cropped(field, dy, dx, h, w)), [conv, encode]);
          const channels = moved.length / (h * scale * w * scale);
          for (let oy = r * scale; oy < (h - r) * scale; oy++) {
            for (let ox = r * scale; ox < (w - r) * scale; ox++) {
              for (let ci = 0; ci < channels; ci++) {
                const a = moved[(oy * w * scale + ox) * channels + ci];
                const b = whole[((oy + dy * scale) * (w + 6) * scale + ox + dx * scale) * channels + ci];
                if (!Object.is(a, b)) throw new Error(`at [${oy}, ${ox}, ${ci}]: ${a} moved, ${b} in place`);
              }
            }
          }
        }
      },
    );

    property(
      'images of a batch do not see each other, bit for bit',
      fc.record({ h: size, w: size, perGroup: fc.integer({ min: 1, max: 5 }), win: window, seed: dataSeed }),
      async (backend, { h, w, perGroup, win, seed: data }) => {
        const c = perGroup * win.groups;
        const pair = tensor(data, [2, h, w, c]);
        const encode: ConvWeights = {
          weights: new Random(data).values(rowLength(win) * c * 9),
          cOut: rowLength(win),
          cIn: c,
          k: 3,
        };
        const program =
          (x: Tensor): Program =>
          (ops, [conv]) => {
            const features = input(ops, x);
            return ops.resize(
              ops.reassemble(
                features,
                ops.normalizeKernels(ops.conv2d(features, conv, PLAIN), win, 'sigmoid-normalized'),
                win,
                'reflect',
                'NHWC',
              ),
              h + 1,
              w + 2,
              'bilinear',
              -0.5,
            );
          };
        const both = await run(backend, program(pair), [encode]);
        const half = pair.data.length / 2;
        const alone = [0, 1].map(
          (i): Tensor => ({ shape: [1, h, w, c], data: pair.data.slice(i * half, (i + 1) * half) }),
        );
        equal(
          both,
          Float32Array.of(
            ...(await run(backend, program(alone[0]), [encode])),
            ...(await run(backend, program(alone[1]), [encode])),
          ),
        );
      },
    );

    property(
      'pixelUnshuffle undoes pixelShuffle, and layout changes each other',
      fc.record({
        n: fc.integer({ min: 1, max: 2 }),
        h: size,
        w: size,
        c: size,
        scale: fc.integer({ min: 1, max: 4 }),
        seed: dataSeed,
      }),
      async (backend, { n, h, w, c, scale, seed: data }) => {
        const rows = tensor(data, [n, h, w, c * scale ** 2]);
        equal(
          await run(backend, (ops) => ops.pixelUnshuffle(ops.pixelShuffle(input(ops, rows), scale), scale)),
          rows.data,
        );
        equal(await run(backend, (ops) => ops.nchwToNhwc(ops.nhwcToNchw(input(ops, rows)))), rows.data);
      },
    );

    property(
      'resizing keeps a constant, and resizing to the same size everything',
      fc.record({
        h: size,
        w: size,
        height: size,
        width: size,
        mode: fc.constantFrom('bilinear' as const, 'bicubic' as const),
        level: fc.constantFrom(1, -0.3, 117),
        seed: dataSeed,
      }),
      async (backend, { h, w, height, width, mode, level, seed: data }) => {
        const { got, error } = await evaluate(backend, (ops) =>
          ops.resize(input(ops, filled([1, h, w, 3], level)), height, width, mode, -0.5),
        );
        got.forEach((v, i) => within(v, level, 2 * error[i]));
        const x = tensor(data, [1, h, w, 3]);
        equal(await run(backend, (ops) => ops.resize(input(ops, x), h, w, mode, -0.5)), x.data);
      },
    );

    property(
      'the same input twice gives the same bits',
      fc.record({
        geometry,
        padding: border,
        normalizer: fc.constantFrom('softmax' as const, 'sigmoid' as const, 'sigmoid-normalized' as const),
      }),
      async (backend, { geometry: { n, h, w, perGroup, window: win, seed: data }, padding, normalizer }) => {
        const features = tensor(data, [n, h, w, perGroup * win.groups]);
        const rows = tensor(data + 1, [n, h, w, rowLength(win)], -9, 9);
        const program: Program = (ops) =>
          ops.reassemble(
            input(ops, features),
            ops.normalizeKernels(input(ops, rows), win, normalizer),
            win,
            padding,
            'NHWC',
          );
        equal(await run(backend, program), await run(backend, program));
      },
    );
  });
}

interface Evaluated {
  readonly got: Float32Array;
  readonly error: Float32Array;
}

async function run(backend: Backend, program: Program, convs: readonly ConvWeights[] = []): Promise<Float32Array> {
  const devices = convs.map((conv) => backend.conv(conv));
  return backend.run((ops) => program(ops, devices));
}

/** The result, and how far each value may be from the reference's. */
async function evaluate(backend: Backend, program: Program, convs: readonly ConvWeights[] = []): Promise<Evaluated> {
  const { error } = bound((ops) => program(ops, convs.map(boundConv)), ARITHMETIC[backend.name]);
  return { got: await run(backend, program, convs), error: error.data };
}

function input(ops: Ops, { data, shape }: Tensor): DeviceTensor {
  return ops.input(data, shape);
}

function tensor(data: number, shape: Shape, low = -1, high = 1): Tensor {
  return { shape, data: new Random(data).values(elements(shape), low, high) };
}

function filled(shape: Shape, value: number): Tensor {
  return { shape, data: new Float32Array(elements(shape)).fill(value) };
}

function fill(shape: Shape, value: (n: number, y: number, x: number, c: number) => number): Float32Array {
  const [, h, w, c] = shape;
  return Float32Array.from({ length: elements(shape) }, (_, i) =>
    value(Math.floor(i / (c * w * h)), Math.floor(i / (c * w)) % h, Math.floor(i / c) % w, i % c),
  );
}

function at({ data, shape: [, h, w, c] }: Tensor, n: number, y: number, x: number, ci: number): number {
  return data[((n * h + y) * w + x) * c + ci];
}

function cropped(x: Tensor, top: number, left: number, h: number, w: number): Tensor {
  const shape: Shape = [1, h, w, x.shape[3]];
  return { shape, data: fill(shape, (n, y, xx, c) => at(x, n, top + y, left + xx, c)) };
}

/** Rows that are 1 at the centre tap of every group and sub-pixel. */
function centreRows(n: number, h: number, w: number, win: Window): Tensor {
  const [taps, subs] = [win.kUp ** 2, win.scale ** 2];
  const shape: Shape = [n, h, w, rowLength(win)];
  return {
    shape,
    data: Float32Array.from({ length: elements(shape) }, (_, i) =>
      Math.floor(i / subs) % taps === (taps - 1) / 2 ? 1 : 0,
    ),
  };
}

function permutation(random: Random, length: number): number[] {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = random.integer(0, i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function within(got: number, want: number, tolerance: number): void {
  if (!(Math.abs(got - want) <= tolerance)) throw new Error(`${got} is not within ${tolerance} of ${want}`);
}

function equal(got: Float32Array, want: Float32Array): void {
  if (got.length !== want.length) throw new Error(`${got.length} values, expected ${want.length}`);
  const wrong = got.findIndex((v, i) => v !== want[i]);
  if (wrong >= 0) throw new Error(`value ${wrong} is ${got[wrong]}, expected ${want[wrong]}`);
}
