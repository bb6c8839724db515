// Parts that say whether this adapter is right: the conformance suite, PyTorch's golden vectors, each model's image beside wasm's, a
// lost device, buffers that do not pile up. Each names the storage (f32, f16) and the kernels (staged: of real GPUs; registers: of software adapters).
import { CarafeError, createUpscaler } from 'carafe-web';
import { HALF } from '../../test/conformance/bounds.js';
import { FILES, goldenNetworks, goldenOp } from '../../test/conformance/golden.js';
import { conformance, halfConformance, outcomes, type Runner } from '../../test/conformance/suite.js';
import { largestDifference, testImage } from '../data.js';
import { type Watched, install } from './gpu.js';
import { type Backend, createWebgpuBackend, openDevice } from './inside.js';
import type { Context, Part } from './parts.js';

const AT_ONCE = 8; // cases in flight: a readback is mostly waiting
const EVERY = 40; // of small runs: one case in so many

export interface Variant {
  readonly f16: boolean;
  readonly staged: boolean;
}

export const variantName = ({ f16, staged }: Variant): string =>
  `${f16 ? 'f16' : 'f32'} ${staged ? 'staged' : 'registers'}`;

/** Undefined, and a note, where the adapter has no f16. */
export async function openVariant(
  { f16, staged }: Variant,
  { note }: Context,
): Promise<{ backend: Backend; watched: Watched } | undefined> {
  let opened: Watched[];
  try {
    opened = await install({ f16 });
    await openDevice(false);
  } catch (error) {
    if (!f16 || !/shader-f16/.test((error as Error).message)) throw error;
    note('f16: not run, the adapter has no shader-f16');
    return undefined;
  }
  const [watched] = opened;
  watched.device.addEventListener?.('uncapturederror', (event) => note(`uncaptured error: ${event.error.message}`));
  return { backend: await createWebgpuBackend(watched.device, { half: f16, hardware: staged }), watched };
}

async function report(name: string, register: (runner: Runner) => void, context: Context): Promise<void> {
  let seen = 0;
  const results = await outcomes(
    ({ test }) =>
      register({
        test(title, body) {
          if (!context.small || seen++ % EVERY === 0) test(title, body);
        },
      }),
    AT_ONCE,
  );
  const wrong = results.filter(({ error }) => error !== undefined);
  for (const { name: title, error } of wrong) context.fail(`${name}: ${title}: ${error}`);
  context.put('correct', { what: name, right: results.length - wrong.length, of: results.length });
}

function cases(variant: Variant): Part {
  return {
    name: `cases-${variantName(variant).replace(' ', '-')}`,
    limit: 150,
    untimed: true,
    async run(context) {
      const opened = await openVariant(variant, context);
      if (!opened) return;
      const suite = variant.f16 ? halfConformance : conformance;
      await report(`cases, ${variantName(variant)}`, (runner) => suite(async () => opened.backend, runner), context);
    },
  };
}

function golden(variant: Variant): Part {
  return {
    name: `golden-${variantName(variant).replace(' ', '-')}`,
    limit: 120,
    untimed: true,
    async run(context) {
      const opened = await openVariant(variant, context);
      if (!opened) return;
      const open = async (): Promise<Backend> => opened.backend;
      const arithmetic = variant.f16 ? HALF : undefined;
      for (const file of Object.keys(FILES)) {
        const bytes = context.read(`golden/${file}.safetensors`);
        await report(
          `golden ${file}, ${variantName(variant)}`,
          (runner) => goldenOp(file, bytes, open, runner, arithmetic),
          context,
        );
      }
      await report(
        `golden networks, ${variantName(variant)}`,
        (runner) =>
          goldenNetworks(
            context.read('golden/carafe-luma.safetensors'),
            (file) => context.read(`models/${file}`),
            open,
            runner,
            arithmetic,
            variant.f16 ? 1 / 255 : undefined, // what README.md promises of f16
          ),
        context,
      );
    },
  };
}

/** Each model through the public API, on wasm and on the GPU in both storages; one image has alpha. */
const models: Part = {
  name: 'models',
  limit: 90,
  untimed: true,
  async run(context) {
    const [width, height] = context.small ? [24, 20] : [300, 212]; // two tiles, odd sizes
    const opaque = testImage(width, height);
    const clear = { ...opaque, data: opaque.data.map((v, i) => (i % 4 === 3 ? (i >> 4) % 256 : v)) };
    const names = JSON.parse(new TextDecoder().decode(context.read('models/index.json'))) as string[];
    for (const file of context.small ? names.slice(0, 1) : names) {
      const model = context.read(`models/${file}`).buffer;
      const wasm = await createUpscaler({ backend: 'wasm', thread: 'inline', model });
      for (const [kind, image] of Object.entries({ opaque, alpha: clear })) {
        if (kind === 'alpha' && (context.brief || !file.startsWith('base-x'))) continue;
        const want = await wasm.upscale(image);
        for (const f16 of context.brief ? [true] : [false, true]) {
          const opened = await install({ f16 });
          const what = `${file} ${kind} ${f16 ? 'f16' : 'f32'}`;
          try {
            const upscaler = await createUpscaler({ backend: 'webgpu', thread: 'inline', model });
            const got = await upscaler.upscale(image);
            const difference = largestDifference(got.data, want.data);
            const differing = got.data.reduce((sum, v, i) => sum + Number(v !== want.data[i]), 0) / got.data.length;
            context.put('models', { what, difference, differing });
            if (!(difference <= 1)) {
              const at = got.data.findIndex((v, i) => !(Math.abs(v - want.data[i]) <= 1));
              const pixel = at >> 2;
              context.fail(
                `${what}: at most 1 of 255 off wasm expected, got ${difference}; first at x ${pixel % got.width} y ${Math.floor(pixel / got.width)} channel ${at % 4}: ${got.data[at]}, wasm ${want.data[at]}`,
              );
            }
            upscaler.dispose();
          } catch (error) {
            if (f16 && /shader-f16/.test((error as Error).message))
              context.note('f16: not run, the adapter has no shader-f16');
            else context.fail(`${what}: ${(error as Error).stack}`);
          }
          for (const { device } of opened) device.destroy();
        }
      }
      wasm.dispose();
    }
  },
};

/** The device is destroyed in the middle of an image: 'webgpu' rejects with DeviceLost at once, 'auto' goes on. */
const lost: Part = {
  name: 'lost',
  limit: 40,
  untimed: true,
  async run(context) {
    const side = context.small ? 64 : 1500;
    const image = testImage(side, side);
    const tile = context.small ? 16 : 256;
    const wasm = await createUpscaler({ backend: 'wasm', thread: 'inline' });
    const want = (await wasm.upscale(image)).data;
    wasm.dispose();
    for (const backend of ['webgpu', 'auto'] as const) {
      const opened = await install({ f16: false });
      const upscaler = await createUpscaler({ backend, thread: 'inline', tile });
      if (upscaler.info.backend !== 'webgpu') {
        context.note(`lost, ${backend}: it chose ${upscaler.info.backend}: ${JSON.stringify(upscaler.info.rejected)}`);
        upscaler.dispose();
        continue;
      }
      let destroyed = 0;
      const running = upscaler.upscale(image, {
        onProgress() {
          if (destroyed) return;
          destroyed = performance.now();
          for (const { device } of opened) device.destroy();
        },
      });
      const outcome = await running.then(
        ({ data }) => `an image at most ${largestDifference(data, want)} off wasm's`,
        (error) => (error instanceof CarafeError ? error.code : String(error)),
      );
      const expected = backend === 'auto' ? /^an image at most [01] off/ : /^DeviceLost$/;
      context.put('lost', { backend, outcome, ms: performance.now() - destroyed });
      if (!expected.test(outcome)) context.fail(`lost, ${backend}: expected ${expected}, got ${outcome}`);
      upscaler.dispose();
    }
  },
};

/** 200 images in a row: the number of buffers that live is the same after 20 and after 200; and none is left by upscalers that are gone. */
const flat: Part = {
  name: 'flat',
  limit: 60,
  untimed: true,
  async run(context) {
    const opened = await install({ f16: false });
    const device = await openDevice(false);
    const [watched] = opened;
    const upscaler = await createUpscaler({ backend: 'webgpu', thread: 'inline', device });
    const counts: number[] = [];
    const [images, first] = context.small ? [12, 4] : [200, 20];
    for (let i = 0; i < images; i++) {
      await upscaler.upscale(testImage(context.small ? 12 : 160, context.small ? 10 : 120 + (i % 3)));
      counts.push(watched.buffers);
    }
    const [early, late] = [counts[first - 1], counts.at(-1)!];
    context.put('flat', {
      what: `${images} images: buffers after ${first} and after all`,
      early,
      late,
      bytes: watched.bytes,
    });
    if (late > early)
      context.fail(`${images} images: ${early} buffers after ${first}, ${late} after all: ${counts.join(' ')}`);
    upscaler.dispose();
    const alive: number[] = [];
    for (let i = 0; i < 5; i++) {
      const again = await createUpscaler({ backend: 'webgpu', thread: 'inline', device });
      await again.upscale(testImage(12, 10));
      again.dispose();
      alive.push(watched.buffers);
    }
    context.put('flat', {
      what: 'buffers after each of 5 upscalers made and disposed on one device',
      early: alive[0],
      late: alive.at(-1),
    });
    if (alive.at(-1)! > alive[0]) context.fail(`5 upscalers made and disposed leave buffers: ${alive.join(' ')}`);
  },
};

const staged = [false, true].map((f16) => ({ f16, staged: true }));
const registers = [false, true].map((f16) => ({ f16, staged: false }));

export const correctness: readonly Part[] = [
  ...staged.map(cases),
  ...staged.map(golden),
  models,
  ...registers.map(cases),
  ...registers.map(golden),
  lost,
  flat,
];
