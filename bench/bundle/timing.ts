// Parts that say how fast: each dispatch beside its bytes and operations, tiles of one program, images and the operator through the
// public API, the first result, ONNX Runtime's WebGPU on the same graphs.
import { createCarafe, createUpscaler, type RawImage } from 'carafe-web';
import { largestDifference, operatorData, operatorTolerance, testImage } from '../data.js';
import { lumaGraphs, operatorGraphs } from '../peers/carafe-onnx.js';
import { operators, quickOperators } from '../shapes.js';
import { moduleTraffic, tileTraffic, type Traffic } from '../traffic.js';
import { openVariant, type Variant, variantName } from './correctness.js';
import { install, openGpu, type Timed, type Watched } from './gpu.js';
import { cutTile, loadCarafeLuma, parseSafetensors, runTiles, tileHalo, type TileJob } from './inside.js';
import { type Context, median, type Part, timeCalls } from './parts.js';

/** Tiles of an opaque image, away from its border. */
function tileJobs(net: ReturnType<typeof loadCarafeLuma>, side: number, count: number): TileJob[] {
  const halo = tileHalo(net, false);
  const { inner } = halo;
  const image = testImage(side + 2 * inner, side + 2 * inner);
  const job = { ...cutTile(image, { x: inner, y: inner, width: side, height: side }, halo), alpha: false };
  return Array.from({ length: count }, () => job);
}

const gpuBusy = (timed: readonly Timed[]): number => timed.reduce((sum, { begin, end }) => sum + end - begin, 0) / 1e6;
const gpuSpan = (timed: readonly Timed[]): number =>
  (Math.max(...timed.map(({ end }) => end)) - Math.min(...timed.map(({ begin }) => begin))) / 1e6;

/** Medians over the runs, of each dispatch of a program in order. */
async function timeDispatches(watched: Watched, run: () => Promise<unknown>, small: boolean): Promise<Timed[][]> {
  for (let i = 0; i < (small ? 1 : 8); i++) await run();
  const runs: Timed[][] = [];
  for (let i = 0; i < (small ? 2 : 15); i++) runs.push(await watched.time('dispatch', run));
  return runs;
}

function putDispatches(
  name: string,
  variant: string,
  runs: Timed[][],
  passes: number[],
  { dispatches }: Traffic,
  context: Context,
): void {
  const timed = runs[0];
  if (timed.length !== dispatches.length || timed.some(({ label }, i) => !label.startsWith(dispatches[i].what))) {
    context.fail(
      `${name}, ${variant}: dispatches ${timed.map(({ label }) => label.split(' ')[0]).join(' ')} are not those of bench/traffic.ts: ${dispatches.map(({ what }) => what).join(' ')}`,
    );
  }
  for (const [i, { label, workgroups }] of timed.entries()) {
    const times = runs.map((run) => run[i].end - run[i].begin);
    const ns = median(times);
    const traffic = dispatches[i]?.what && label.startsWith(dispatches[i].what) ? dispatches[i] : undefined;
    const bytes = traffic && traffic.read + traffic.written;
    context.put('dispatches', {
      program: name,
      variant,
      index: i,
      label,
      workgroups,
      us: ns / 1e3,
      bestUs: Math.min(...times) / 1e3,
      bytes,
      flops: traffic && traffic.mflops * 1e6,
      ...(bytes !== undefined && { gbs: bytes / ns, tfs: (traffic!.mflops * 1e3) / ns }),
    });
  }
  context.put('programs', {
    program: name,
    variant,
    dispatches: timed.length,
    sumMs: median(runs.map(gpuBusy)),
    passMs: median(passes), // all in one pass, as it is run
  });
}

async function timePasses(watched: Watched, run: () => Promise<unknown>, small: boolean): Promise<number[]> {
  const passes: number[] = [];
  for (let i = 0; i < (small ? 2 : 15); i++) passes.push(gpuBusy(await watched.time('pass', run)));
  return passes;
}

/** Tiles and modules, each dispatch on the GPU's clock. A tile of 1440x1440 has the pixels of a 1920x1080 frame. */
const dispatches: Part = {
  name: 'dispatches',
  limit: 75,
  async run(context) {
    const { small, read } = context;
    const variants: Variant[] = [
      { f16: false, staged: true },
      { f16: true, staged: true },
      { f16: false, staged: false },
    ];
    for (const variant of variants) {
      const opened = await openVariant(variant, context);
      if (!opened) continue;
      const { backend, watched } = opened;
      const mode = { half: variant.f16, hardware: variant.staged };
      const name = variantName(variant);
      const tiles: [string, number][] = small
        ? [['base', 16]]
        : [
            ['base', 1440],
            ['base', 256],
            ...(variant.staged
              ? ([
                  ['small', 1440],
                  ['large', 1440],
                  ['base', 512],
                ] as [string, number][])
              : []),
          ];
      for (const [model, side] of tiles) {
        const file = read(`models/${model}-x2.safetensors`);
        const net = loadCarafeLuma(backend, parseSafetensors(file));
        const [job] = tileJobs(net, side, 1);
        const run = (): Promise<unknown> => runTiles(backend, net, [job]);
        const runs = await timeDispatches(watched, run, small);
        const passes = await timePasses(watched, run, small);
        const traffic = tileTraffic(watched.device, file, model, side, mode);
        putDispatches(`${model} ${side}x${side}`, name, runs, passes, traffic, context);
      }
      for (const shape of small ? [quickOperators[0]] : variant.staged ? operators.slice(0, 3) : [operators[0]]) {
        if (variant.f16) continue; // the operator is f32
        const module = await createCarafe(operatorData(shape).weights, {
          ...window(shape),
          backend: 'webgpu',
          thread: 'inline',
          device: watched.device,
        });
        const { x } = operatorData(shape);
        if (!variant.staged) continue;
        const runs = await timeDispatches(watched, () => module.upsample(x), small);
        const passes = await timePasses(watched, () => module.upsample(x), small);
        const hardware = runs[0].length === moduleTraffic(watched.device, shape, mode).dispatches.length;
        const traffic = moduleTraffic(watched.device, shape, { ...mode, hardware });
        putDispatches(shape.name, name, runs, passes, traffic, context);
        module.dispose();
      }
      backend.dispose();
      watched.device.destroy();
    }
  },
};

const window = ({
  scale,
  kUp,
  groups,
}: (typeof operators)[number]): { scale: number; kUp: number; groups: number } => ({
  scale,
  kUp,
  groups,
});

/** The frame through the public API: milliseconds from RGBA to RGBA, the GPU's own time, and by the side of a tile. */
const images: Part = {
  name: 'images',
  limit: 75,
  async run(context) {
    const { small } = context;
    const sizes: [number, number][] = small
      ? [[24, 16]]
      : [
          [1920, 1080],
          [256, 256],
          [3840, 2160],
        ];
    for (const [width, height] of sizes) {
      const image = testImage(width, height);
      let first: RawImage | undefined;
      for (const model of width === 1920 ? (['base', 'small', 'large'] as const) : (['base'] as const)) {
        for (const tile of width === 1920 && model === 'base' ? [undefined, 512, 1024, 2048] : [undefined]) {
          for (const f16 of [false, true]) {
            const opened = await openUpscaler(f16, { model, tile }, context);
            if (!opened) continue;
            const { upscaler, watched } = opened;
            const result = await upscaler.upscale(image);
            if (model === 'base') {
              first ??= result;
              const difference = largestDifference(result.data, first.data);
              if (!(difference <= 1))
                context.fail(
                  `${width}x${height} ${f16 ? 'f16' : 'f32'} tile ${tile}: ${difference} of 255 off the first`,
                );
            }
            const times = await timeCalls(
              () => upscaler.upscale(image),
              small ? { ms: 1, least: 1 } : { ms: 700, least: 5 },
            );
            const timed: Timed[][] = [];
            for (let i = 0; i < (small ? 1 : 5); i++)
              timed.push(await watched.time('pass', () => upscaler.upscale(image)));
            context.put('images', {
              image: `${width}x${height}`,
              model,
              storage: f16 ? 'f16' : 'f32',
              tile: upscaler.info.tile,
              wallMs: median(times),
              bestMs: Math.min(...times),
              calls: times.length,
              gpuMs: median(timed.map(gpuBusy)),
              spanMs: median(timed.map(gpuSpan)),
              passes: timed[0].length,
            });
            upscaler.dispose();
          }
        }
      }
    }
  },
};

async function openUpscaler(
  f16: boolean,
  options: Parameters<typeof createUpscaler>[0],
  { note }: Context,
): Promise<{ upscaler: Awaited<ReturnType<typeof createUpscaler>>; watched: Watched } | undefined> {
  const opened = await install({ f16 });
  try {
    const upscaler = await createUpscaler({ backend: 'webgpu', thread: 'inline', ...options });
    return { upscaler, watched: opened[0] };
  } catch (error) {
    if (!f16 || !/shader-f16/.test((error as Error).message)) throw error;
    note('f16: not run, the adapter has no shader-f16');
    return undefined;
  }
}

/** Tiles that are one program, one submit and one readback; one program at a time, and two in flight as an image has them. */
const batches: Part = {
  name: 'batches',
  limit: 40,
  async run(context) {
    const { small, read } = context;
    for (const f16 of [false, true]) {
      const opened = await openVariant({ f16, staged: true }, context);
      if (!opened) continue;
      const { backend, watched } = opened;
      const net = loadCarafeLuma(backend, parseSafetensors(read('models/base-x2.safetensors')));
      for (const side of small ? [12] : [256]) {
        for (const tiles of small ? [1, 2] : [1, 2, 4, 8, 16]) {
          const jobs = tileJobs(net, side, tiles);
          const options = small ? { ms: 1, least: 1 } : { ms: 500, least: 5 };
          const alone = median(await timeCalls(() => runTiles(backend, net, jobs), options));
          const inFlight = await timeCalls(async () => {
            let running = runTiles(backend, net, jobs);
            for (let i = 0; i < 7; i++) {
              const next = runTiles(backend, net, jobs);
              await running;
              running = next;
            }
            await running;
          }, options);
          const timed = await watched.time('pass', () => runTiles(backend, net, jobs));
          context.put('batches', {
            storage: f16 ? 'f16' : 'f32',
            side,
            tiles,
            aloneMsPerTile: alone / tiles,
            twoMsPerTile: median(inFlight) / 8 / tiles,
            gpuMsPerTile: gpuBusy(timed) / tiles,
          });
        }
      }
      backend.dispose();
      watched.device.destroy();
    }
  },
};

/** The module through the public API, NCHW tensors in and out; the first result checked against wasm's. */
const operator: Part = {
  name: 'operator',
  limit: 40,
  async run(context) {
    const { small } = context;
    for (const shape of small ? [quickOperators[0]] : operators.slice(0, 3)) {
      const { x, weights } = operatorData(shape);
      const wasm = await createCarafe(weights, { ...window(shape), backend: 'wasm', thread: 'inline' });
      const want = (await wasm.upsample(x)).data;
      wasm.dispose();
      const opened = await install({ f16: false });
      const module = await createCarafe(weights, { ...window(shape), backend: 'webgpu', thread: 'inline' });
      const got = await module.upsample(x);
      const difference = largestDifference(got.data, want);
      const tolerance = 2 * operatorTolerance(shape, { x, weights }); // both have that much
      if (!(difference <= tolerance))
        context.fail(`${shape.name}: within ${tolerance} of wasm expected, got ${difference}`);
      const options = small ? { ms: 1, least: 1 } : { ms: 500, least: 5 };
      const wall = median(await timeCalls(() => module.upsample(x), options));
      let into = got.data;
      const reused = await timeCalls(async () => {
        ({ data: into } = await module.upsample(x, { into }));
      }, options);
      const timed = await timePasses(opened[0], () => module.upsample(x), small);
      context.put('operator', {
        shape: shape.name,
        wallMs: wall,
        intoMs: median(reused),
        gpuMs: median(timed),
        difference,
      });
      module.dispose();
    }
  },
};

/** In a process of its own: what a user waits for. */
async function firstResult(what: string, context: Context): Promise<void> {
  const { small } = context;
  for (const f16 of [false, true]) {
    const marks: [string, number][] = [['', performance.now()]];
    const mark = (name: string): void => void marks.push([name, performance.now()]);
    await openGpu();
    mark('dawnMs');
    const opened = await openUpscaler(f16, {}, context);
    if (!opened) continue;
    mark('createMs');
    const image = testImage(small ? 16 : 256, small ? 12 : 256);
    await opened.upscaler.upscale(image);
    mark('firstMs');
    await opened.upscaler.upscale(image);
    mark('secondMs');
    const steps = marks.slice(1).map(([name, at], i) => [name, at - marks[i][1]]);
    context.put('first', { what, storage: f16 ? 'f16' : 'f32', ...Object.fromEntries(steps) });
    opened.upscaler.dispose();
  }
}

const cache = { __GL_SHADER_DISK_CACHE: '1', __GL_SHADER_DISK_CACHE_PATH: `/tmp/carafe-shader-cache-${process.ppid}` };
const first: Part = {
  name: 'first',
  limit: 40,
  env: cache,
  run: (context) => firstResult('the driver has seen no shader', context),
};
const again: Part = {
  name: 'first-again',
  limit: 30,
  env: cache,
  run: (context) => firstResult("the driver's cache is filled", context),
};

const ORT: string = 'onnxruntime-web/webgpu'; // installed for the bundle alone, with bench/peers

/** ONNX Runtime's WebGPU provider on graphs of the same operator and network (luma alone, floats in and out), beside ours in the same process. */
const onnxruntime: Part = {
  name: 'onnxruntime',
  limit: 90,
  async run(context) {
    const { small, read, put, note } = context;
    const watched = await install({ f16: false });
    const ort = await import(ORT);
    ort.env.logLevel = 'error';
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = read('../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm').buffer;
    const open = async (
      graph: Uint8Array,
    ): Promise<{
      run(data: Float32Array, shape: readonly number[]): Promise<Float32Array>;
      close(): Promise<void>;
    }> => {
      const session = await ort.InferenceSession.create(graph, { executionProviders: ['webgpu'] });
      return {
        async run(data, shape) {
          const results = await session.run({ x: new ort.Tensor('float32', data, shape) });
          return (await results[session.outputNames[0]].getData()) as Float32Array;
        },
        close: () => session.release(),
      };
    };
    const timing = small ? { ms: 1, least: 1 } : { ms: 500, least: 3 };

    for (const shape of small ? [quickOperators[0]] : operators.slice(0, 3)) {
      const { x, weights } = operatorData(shape);
      const module = await createCarafe(weights, { ...window(shape), backend: 'webgpu', thread: 'inline' });
      const want = (await module.upsample(x)).data;
      const ours = median(await timeCalls(() => module.upsample(x), timing));
      module.dispose();
      for (const [graph, bytes] of Object.entries(operatorGraphs(shape, weights))) {
        try {
          const session = await open(bytes);
          const got = await session.run(x.data, x.shape);
          const difference = largestDifference(got, want);
          if (!(difference <= 1e-3)) note(`onnxruntime on ${shape.name}, ${graph}: ${difference} off ours`);
          const theirs = median(await timeCalls(() => session.run(x.data, x.shape), timing));
          put('onnxruntime', {
            what: shape.name,
            graph,
            theirsMs: theirs,
            oursMs: ours,
            ratio: theirs / ours,
            difference,
          });
          await session.close();
        } catch (error) {
          note(`onnxruntime on ${shape.name}, ${graph}: ${(error as Error).message}`);
        }
      }
    }

    const path = new URL('../models/base-x2.safetensors', import.meta.url);
    for (const [width, height] of small
      ? [[24, 16]]
      : [
          [256, 256],
          [1920, 1080],
        ]) {
      const image = testImage(width, height, true);
      const luma = Float32Array.from({ length: width * height }, (_, i) => image.data[4 * i] / 255);
      const upscaler = await createUpscaler({ backend: 'webgpu', thread: 'inline' });
      const want = await upscaler.upscale(image);
      const ours = median(await timeCalls(() => upscaler.upscale(image), timing));
      upscaler.dispose();
      for (const [graph, bytes] of Object.entries(lumaGraphs(path, height, width))) {
        try {
          const session = await open(bytes);
          const shape = [1, 1, height, width];
          const got = await session.run(luma, shape);
          const difference = middleDifference(got, want);
          if (!(difference <= 1.5)) note(`onnxruntime on ${width}x${height}, ${graph}: ${difference} of 255 off ours`);
          const theirs = median(await timeCalls(() => session.run(luma, shape), timing));
          put('onnxruntime', {
            what: `base ${width}x${height}`,
            graph,
            theirsMs: theirs,
            oursMs: ours,
            ratio: theirs / ours,
            difference,
          });
          await session.close();
        } catch (error) {
          note(`onnxruntime on ${width}x${height}, ${graph}: ${(error as Error).message}`);
        }
      }
    }
    note(`onnxruntime-web ${ort.env.versions.web}, ${watched.length} devices opened`);
  },
};

/** Of 255, away from the border, where ONNX's zeros differ from our replicated edge. */
function middleDifference(luma: Float32Array, { data, width, height }: RawImage): number {
  const margin = Math.min(20, height >> 1);
  let most = 0;
  for (let y = margin; y < height - margin; y++) {
    for (let x = margin; x < width - margin; x++) {
      const got = 255 * Math.min(1, Math.max(0, luma[y * width + x]));
      const difference = Math.abs(got - data[4 * (y * width + x)]);
      if (!(difference <= most)) most = difference;
    }
  }
  return most;
}

export const timing: readonly Part[] = [dispatches, images, batches, operator, first, again, onnxruntime];
