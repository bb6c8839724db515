// Parts that say how fast: each dispatch beside its bytes and operations, images and the operator through the
// public API, the first result, ONNX Runtime's WebGPU on the same graphs.
import { createCarafe, createUpscaler, type RawImage } from 'carafe-web';
import { largestDifference, operatorData, operatorTolerance, testImage } from '../data.js';
import { lumaGraphs, operatorGraphs } from '../peers/carafe-onnx.js';
import { operators, quickOperators } from '../shapes.js';
import { MODULE, moduleTraffic, tileTraffic, type Traffic } from '../traffic.js';
import { openVariant, type Variant, variantName } from './correctness.js';
import { install, openGpu, type Timed, type Watched } from './gpu.js';
import {
  type Backend,
  cutTile,
  type DeviceConv,
  type DeviceTensor,
  loadCarafeLuma,
  type Ops,
  parseSafetensors,
  runTile,
  tileHalo,
  type TileJob,
  upscaleLuma,
} from './inside.js';
import { attempt, type Context, median, type Part, timeCalls } from './parts.js';

/** A tile of an opaque image, away from its border. */
function tileJob(net: ReturnType<typeof loadCarafeLuma>, side: number): TileJob {
  const halo = tileHalo(net, false);
  const { inner } = halo;
  const image = testImage(side + 2 * inner, side + 2 * inner);
  return { ...cutTile(image, { x: inner, y: inner, width: side, height: side }, halo), alpha: false };
}

const gpuBusy = (timed: readonly Timed[]): number => timed.reduce((sum, { begin, end }) => sum + end - begin, 0) / 1e6;
const gpuSpan = (timed: readonly Timed[]): number =>
  (Math.max(...timed.map(({ end }) => end)) - Math.min(...timed.map(({ begin }) => begin))) / 1e6;

/** A program's dispatches, medians over its runs, with what bench/traffic.ts counts for them; and all of it in one pass, as it is run. */
async function timeProgram(
  program: string,
  variant: string,
  watched: Watched,
  run: () => Promise<unknown>,
  count: () => Traffic,
  context: Context,
): Promise<void> {
  const { small } = context;
  await attempt(context, `${program}, ${variant}`, async () => {
    for (let i = 0; i < (small ? 1 : 8); i++) await run();
    const runs: Timed[][] = [];
    for (let i = 0; i < (small ? 2 : 15); i++) runs.push(await watched.time('dispatch', run));
    const timed = runs[0];
    const passes = await timePasses(watched, run, small);
    const sumMs = median(runs.map(gpuBusy));
    context.put('programs', { program, variant, dispatches: timed.length, sumMs, passMs: median(passes) });
    let counted: Traffic['dispatches'] = [];
    try {
      counted = count().dispatches;
    } catch (error) {
      context.fail(`${program}, ${variant}: bench/traffic.ts: ${(error as Error).stack}`);
    }
    const same = ({ label }: Timed, i: number): boolean =>
      counted[i] !== undefined && label.startsWith(`${counted[i].what} `);
    if (timed.length !== counted.length || !timed.every(same)) {
      const labels = timed.map(({ label }) => label.split(' ')[0]);
      context.fail(
        `${program}, ${variant}: dispatches ${labels.join(' ')} are not those of bench/traffic.ts: ${counted.map(({ what }) => what).join(' ')}`,
      );
    }
    for (const [i, { label, workgroups }] of timed.entries()) {
      const times = runs.map((one) => one[i].end - one[i].begin);
      const ns = median(times);
      const row = { program, variant, index: i, label, workgroups, us: ns / 1e3, bestUs: Math.min(...times) / 1e3 };
      if (!same(timed[i], i)) {
        context.put('dispatches', row);
        continue;
      }
      const { read, written, mflops } = counted[i];
      const bytes = read + written;
      context.put('dispatches', { ...row, bytes, flops: mflops * 1e6, gbs: bytes / ns, tfs: (mflops * 1e3) / ns });
    }
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
    const { small, brief, read } = context;
    const staged = [false, true].map((f16) => ({ f16, staged: true }));
    const registers = { f16: false, staged: false };
    const variants: Variant[] = small ? [registers] : brief ? staged : [...staged, registers];
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
            ...(variant.staged && !brief
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
        const job = tileJob(net, side);
        const run = (): Promise<unknown> => runTile(backend, net, job);
        const traffic = (): Traffic => tileTraffic(watched.device, file, model, side, mode);
        await timeProgram(`${model} ${side}x${side}`, name, watched, run, traffic, context);
      }
      if (variant.f16) continue; // the operator is f32
      for (const shape of small ? [quickOperators[0]] : operators.slice(0, 3)) {
        const program = moduleProgram(backend, shape);
        const run = (): Promise<unknown> => backend.run(program);
        const traffic = (): Traffic => moduleTraffic(watched.device, shape, mode);
        await timeProgram(shape.name, name, watched, run, traffic, context);
      }
      backend.dispose();
      watched.device.destroy();
    }
  },
};

/** The learned module, NCHW in and out. */
function moduleProgram(backend: Backend, shape: (typeof operators)[number]): (ops: Ops) => DeviceTensor {
  const { c, h, w, kEnc } = shape;
  const { x, weights } = operatorData(shape);
  const conv = ({ weights: { data, shape: sides }, bias }: typeof weights.encode, k: number): DeviceConv =>
    backend.conv({ weights: data, bias: bias.data, cOut: sides[0], cIn: sides[1], k });
  const module = {
    ...window(shape),
    compress: conv(weights.compress, 1),
    encode: conv(weights.encode, kEnc),
    ...MODULE,
  };
  return (ops) => ops.carafePack(ops.input(x.data, [1, c, h, w]), module, 'NCHW');
}

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
    const { small, brief } = context;
    const sizes: [number, number][] = small
      ? [[24, 16]]
      : [[1920, 1080], ...(brief ? [] : [[256, 256] as [number, number]]), [3840, 2160]];
    for (const [width, height] of sizes) {
      const image = testImage(width, height);
      const options = [
        { model: 'base' },
        ...(width === 1920
          ? [{ tile: 1024 }, { tile: 2048 }, ...(brief ? [] : [{ tile: 512 }, { model: 'small' }, { model: 'large' }])]
          : []),
      ] as { model?: 'base' | 'small' | 'large'; tile?: number }[];
      let first: RawImage | undefined;
      for (const { model = 'base', tile } of options) {
        for (const f16 of [false, true]) {
          const what = `${width}x${height} ${model} ${f16 ? 'f16' : 'f32'} tile ${tile ?? 'as it comes'}`;
          await attempt(context, what, async () => {
            const opened = await openUpscaler(f16, { model, tile }, context);
            if (!opened) return;
            const { upscaler, watched } = opened;
            const run = (): Promise<RawImage> => upscaler.upscale(image);
            const result = await run();
            if (model === 'base') first ??= result;
            const difference = model === 'base' ? largestDifference(result.data, first!.data) : 0;
            if (!(difference <= 1)) context.fail(`${what}: ${difference} of 255 off the first`);
            const times = await timeCalls(run, small ? { ms: 1, minCalls: 1 } : { ms: brief ? 400 : 700, minCalls: 5 });
            const timed: Timed[][] = [];
            for (let i = 0; i < (small ? 1 : 5); i++) timed.push(await watched.time('pass', run));
            const computed: number[] = [];
            for (let i = 0; i < (small ? 1 : 5); i++) computed.push(await watched.untilComputed(run));
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
              computedMs: median(computed),
            });
            if ((small || width === 1920) && model === 'base') await putHost(what, run, context);
            upscaler.dispose();
          });
        }
      }
    }
  },
};

/** Where this thread's time goes, by V8's sampling profiler: milliseconds an image, the ten largest. */
async function putHost(what: string, run: () => Promise<unknown>, { put }: Context): Promise<void> {
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  const images = 8;
  for (let i = 0; i < images; i++) await run();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const own = new Map<string, number>();
  const nameOf = new Map<number, string>();
  for (const { id, callFrame, children = [] } of profile.nodes) {
    const { functionName, url, lineNumber } = callFrame;
    const name = functionName || (url ? `${url.split('/').at(-1)}:${lineNumber + 1}` : 'native');
    nameOf.set(id, url ? name : `${name}${nameOf.get(id) ?? ''}`);
    for (const child of children) nameOf.set(child, ` in ${name}`); // replaced unless it is native
  }
  for (const [i, id] of profile.samples!.entries()) {
    const name = nameOf.get(id)!;
    own.set(name, (own.get(name) ?? 0) + profile.timeDeltas![i] / 1e3 / images);
  }
  const top = [...own].sort(([, a], [, b]) => b - a).slice(0, 10);
  put('host', { what, ms: Object.fromEntries(top.map(([name, ms]) => [name, Number(ms.toFixed(2))])) });
}

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

/** The module through the public API, NCHW tensors in and out; the first result checked against wasm's. */
const operator: Part = {
  name: 'operator',
  limit: 40,
  async run(context) {
    const { small } = context;
    for (const shape of small ? [quickOperators[0]] : operators.slice(0, 3)) {
      await attempt(context, shape.name, async () => {
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
        const options = small ? { ms: 1, minCalls: 1 } : { ms: context.brief ? 200 : 500, minCalls: 5 };
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
      });
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
    const { deviceMs, compiled } = opened.watched;
    const compileMs = Math.max(...compiled.map(({ end }) => end)) - Math.min(...compiled.map(({ begin }) => begin));
    const slowest = compiled.reduce((a, b) => (b.end - b.begin > a.end - a.begin ? b : a));
    context.put('first', {
      what,
      storage: f16 ? 'f16' : 'f32',
      ...Object.fromEntries(steps),
      deviceMs,
      compileMs,
      pipelines: compiled.length,
      slowest: `${slowest.label.split(' ')[0]} ${(slowest.end - slowest.begin).toFixed(0)} ms`,
    });
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

/** ONNX Runtime's WebGPU provider on graphs of the same operator and network, floats in and out, beside ours in the same process. */
const onnxruntime: Part = {
  name: 'onnxruntime',
  limit: 90,
  async run(context) {
    const { small, brief, read, put, note } = context;
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
    const timing = small ? { ms: 1, minCalls: 1 } : { ms: brief ? 150 : 500, minCalls: 3 };

    for (const shape of small ? [quickOperators[0]] : operators.slice(0, brief ? 1 : 3)) {
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

    if (small) return; // a software adapter takes minutes
    const path = new URL('../models/base-x2.safetensors', import.meta.url);
    for (const [width, height] of [[256, 256], ...(brief ? [] : [[1920, 1080]])]) {
      const luma = Float32Array.from(
        testImage(width, height).data.filter((_, i) => i % 4 === 0),
        (v) => v / 255,
      );
      const opened = await openVariant({ f16: false, staged: true }, context);
      const net = loadCarafeLuma(opened!.backend, parseSafetensors(read('models/base-x2.safetensors')));
      const enlarge = (): Promise<Float32Array> =>
        opened!.backend.run((ops) => upscaleLuma(ops, net, ops.input(luma, [1, height, width, 1])).luma);
      const want = await enlarge();
      const ours = median(await timeCalls(enlarge, timing));
      opened!.backend.dispose();
      opened!.watched.device.destroy();
      for (const [graph, bytes] of Object.entries(lumaGraphs(path, height, width))) {
        try {
          const session = await open(bytes);
          const shape = [1, 1, height, width];
          const got = await session.run(luma, shape);
          const difference = largestDifference(got, want);
          if (!(difference <= 1e-3)) note(`onnxruntime on ${width}x${height}, ${graph}: ${difference} off ours`);
          const theirs = median(await timeCalls(() => session.run(luma, shape), timing));
          put('onnxruntime', {
            what: `base ${width}x${height}, luma`,
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

export const timing: readonly Part[] = [dispatches, images, operator, first, again, onnxruntime];
