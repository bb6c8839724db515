// What backend.ts promises about programs and memory, whatever the arithmetic.
import { type Backend, type DevicePixels, type DeviceTensor, type Ops, PLAIN } from '../../src/backends/backend.js';
import type { ConvCase } from './cases.js';
import { programOf, type TensorProgram, throughPlanes } from './programs.js';

const CASE: ConvCase = {
  op: 'conv2d',
  n: 1,
  cIn: 5,
  cOut: 9,
  h: 6,
  w: 7,
  k: 3,
  dilation: 1,
  activation: 'silu',
  slope: 0.01,
  bias: true,
  residual: true,
  amplitude: 2,
};

/** A convolution on a backend, ready to run any number of times. */
function convolution(backend: Backend, change: Partial<ConvCase> = {}): (ops: Ops) => DeviceTensor {
  const program = programOf({ ...CASE, ...change }) as TensorProgram;
  const convs = program.convs.map((conv) => backend.conv(conv));
  return (ops) => program.tensor(ops, convs);
}

function assertSame(got: Float32Array | Uint8ClampedArray, want: Float32Array | Uint8ClampedArray, what: string): void {
  if (got.length !== want.length) throw new Error(`${what}: ${got.length} values, expected ${want.length}`);
  const wrong = got.findIndex((v, i) => !Object.is(v, want[i]));
  if (wrong >= 0) throw new Error(`${what}: value ${wrong} is ${got[wrong]}, expected ${want[wrong]}`);
}

export const contracts: readonly { readonly name: string; readonly check: (backend: Backend) => Promise<void> }[] = [
  {
    name: 'the same program twice gives the same bits',
    async check(backend) {
      const program = convolution(backend);
      assertSame(await backend.run(program), await backend.run(program), 'second run');
    },
  },
  {
    name: 'several results of one program are those of a program each, also one that others are made of, and an input',
    async check(backend) {
      const wide = Float32Array.from({ length: 2 * 9 * 14 * 4 }, (_, i) => Math.sin(i));
      const weights = Float32Array.from({ length: 4 * 4 * 9 }, (_, i) => Math.cos(i) / 6);
      const conv = backend.conv({ weights, cOut: 4, cIn: 4, k: 3 });
      const pyramid = (ops: Ops): readonly DeviceTensor[] => {
        const x = ops.input(wide, [2, 9, 14, 4]);
        const fine = ops.conv2d(x, conv, PLAIN);
        const half = ops.averagePool(fine, 5, 7);
        const coarse = ops.conv2d(half, conv, { ...PLAIN, activation: 'relu' });
        const back = ops.slice(ops.resize(coarse, 10, 14, 'bilinear', -0.5), { x: 0, y: 0, width: 14, height: 9 }, 1);
        const sum = ops.arithmetic(back, 'add', fine);
        return [ops.nhwcToNchw(sum), coarse, ops.nhwcToNchw(half), fine, x, ops.averagePool(sum, 1, 1)];
      };
      const all = await backend.runAll(pyramid);
      for (let i = 0; i < all.length; i++)
        assertSame(all[i], await backend.run((ops) => pyramid(ops)[i]), `result ${i} of ${all.length}`);
    },
  },
  {
    name: "a result is the caller's and survives later programs",
    async check(backend) {
      const program = convolution(backend);
      const result = await backend.run(program);
      const copy = result.slice();
      await backend.run(convolution(backend, { amplitude: 30 }));
      assertSame(result, copy, 'after another program');
      result.fill(NaN);
      assertSame(await backend.run(program), copy, 'after the caller wrote into the result');
    },
  },
  {
    name: 'inputs are borrowed: neither changed nor read after upload',
    async check(backend) {
      const x = Float32Array.from({ length: 24 }, (_, i) => i - 7.5);
      const copy = x.slice();
      const running = backend.run((ops) => ops.nhwcToNchw(ops.input(x, [1, 2, 3, 4])));
      assertSame(x, copy, 'the input');
      x.fill(NaN);
      assertSame(
        await running,
        Float32Array.from({ length: 24 }, (_, i) => copy[(i % 6) * 4 + Math.floor(i / 6)]),
        'the result',
      );
    },
  },
  {
    name: 'an input can be returned as it is',
    async check(backend) {
      const x = Float32Array.of(1, -0, Infinity, 1e-40, 3);
      assertSame(await backend.run((ops) => ops.input(x, [1, 1, 5, 1])), x, 'the result');
    },
  },
  {
    name: 'an input may start anywhere in its buffer',
    async check(backend) {
      const x = new Float32Array(17).map((_, i) => i).subarray(3, 15);
      assertSame(
        await backend.run((ops) => ops.nchwToNhwc(ops.input(x, [1, 3, 2, 2]))),
        Float32Array.of(3, 7, 11, 4, 8, 12, 5, 9, 13, 6, 10, 14),
        'the result',
      );
      const pixels = new Uint8ClampedArray(21).map((_, i) => i * 10).subarray(5, 21);
      const [got] = await backend.runPixels((ops) => {
        return [throughPlanes(ops, { data: pixels, width: 2, height: 2 }, true)];
      });
      assertSame(got, pixels.slice(), 'the pixels');
    },
  },
  {
    name: 'every RGB value of a coarse grid survives the way to planes and back',
    async check(backend) {
      const steps = [0, 1, 50, 51, 127, 128, 200, 254, 255];
      const data = new Uint8ClampedArray(
        steps.flatMap((r) => steps.flatMap((g) => steps.flatMap((b) => [r, g, b, (r + g + b) % 256]))),
      );
      const image = { data, width: 27, height: 27 };
      const [got] = await backend.runPixels((ops) => {
        return [throughPlanes(ops, image, true)];
      });
      assertSame(got, data, 'the pixels');
    },
  },
  {
    name: 'images of one program are each their own, also where memory of the first serves the second',
    async check(backend) {
      const images = [
        [5, 3],
        [2, 7],
        [5, 3],
      ].map(([width, height], i) => ({
        data: new Uint8ClampedArray(width * height * 4).map((_, at) => (at % 4 === 3 ? 255 : 17 * at + 90 * i)),
        width,
        height,
      }));
      const program = (ops: Ops, image: (typeof images)[number]): DevicePixels => {
        const { width, height } = image;
        return throughPlanes(ops, image, false, { x: 1, y: 1, width: width - 1, height: height - 1 });
      };
      const together = await backend.runPixels((ops) => images.map((image) => program(ops, image)));
      for (const [i, image] of images.entries()) {
        const [alone] = await backend.runPixels((ops) => [program(ops, image)]);
        assertSame(together[i], alone, `image ${i}`);
        if (together[i].length !== (image.width - 1) * (image.height - 1) * 4)
          throw new Error(`Expected the size of image ${i}, got ${together[i].length} bytes`);
      }
    },
  },
  {
    name: 'freed memory serves later ops and disturbs nothing that lives',
    async check(backend) {
      const shape = [1, 3, 4, 5] as const;
      const x = Float32Array.from({ length: 60 }, (_, i) => i);
      const y = await backend.run((ops) => {
        const kept = ops.input(x, shape);
        let chain = ops.nhwcToNchw(
          ops.nchwToNhwc(
            ops.input(
              x.map((v) => -v),
              shape,
            ),
          ),
        );
        for (let i = 0; i < 20; i++) {
          const next = ops.nhwcToNchw(chain); // [1, 3, 4, 5] -> [1, 5, 3, 4], and back
          ops.free(chain);
          chain = ops.nchwToNhwc(next);
          ops.free(next);
        }
        ops.free(chain);
        return ops.nhwcToNchw(kept);
      });
      assertSame(
        y,
        Float32Array.from({ length: 60 }, (_, i) => (i % 12) * 5 + Math.floor(i / 12)),
        'the result',
      );
    },
  },
  {
    name: 'programs started together do not mix',
    async check(backend) {
      const changes: Partial<ConvCase>[] = [{}, { w: 9 }, { amplitude: 7 }, { activation: 'relu' }];
      const programs = changes.map((change) => convolution(backend, change));
      const alone: Float32Array[] = [];
      for (const program of programs) alone.push(await backend.run(program));
      const together = await Promise.all(programs.map((program) => backend.run(program)));
      together.forEach((result, i) => assertSame(result, alone[i], `program ${i}`));
    },
  },
  {
    name: 'a program that throws rejects with what it threw, and the next one works',
    async check(backend) {
      const program = convolution(backend);
      const want = await backend.run(program);
      const reason = new Error('thrown by the program');
      const outcome = await backend
        .run((ops) => {
          program(ops);
          throw reason;
        })
        .then(
          () => 'resolved',
          (error: unknown) => error,
        );
      if (outcome !== reason) throw new Error(`expected the program's error, got ${String(outcome)}`);
      assertSame(await backend.run(program), want, 'the next program');
    },
  },
  {
    name: 'conv parameters are copied',
    async check(backend) {
      const weights = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      const bias = Float32Array.of(10, 20);
      const conv = backend.conv({ weights, bias, cOut: 2, cIn: 4, k: 1 });
      weights.fill(NaN);
      bias.fill(NaN);
      const program = (ops: Ops): DeviceTensor =>
        ops.conv2d(ops.input(Float32Array.of(1, 10, 100, 1000), [1, 1, 1, 4]), conv, PLAIN);
      assertSame(await backend.run(program), Float32Array.of(4331, 8785), 'the result');
    },
  },
];
