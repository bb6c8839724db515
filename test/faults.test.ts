// Every call settles, and what survives is right to the bit, whatever goes wrong and whenever: buffers that are transferred or shrunk, workers that
// are killed or die, aborts, disposal, a GPU that fails in every way it can. Random cases from seeds; FAULTS=2000 for more of them.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CarafeError, carafe, createCarafe, createUpscaler, type RawImage, type Tensor } from 'carafe-web';
import { beforeAll, expect, test } from 'vitest';
import { random, randomTensor, testImage } from './api/support.js';
import { nodeGpuDevice } from './backends.js';
import { FaultyDevice, GPU_FAULTS } from './faulty-device.js';
import { mortalWorkerUrl, watchWorkers, workerUrl } from './workers.js';

const CASES = Number(process.env.FAULTS ?? 60);
const FIRST = Number(process.env.FIRST_SEED ?? 1);
const LANES = 6; // cases at a time: many only wait
const LIMIT = 600_000; // ms for a call to settle: software GPUs are slow, and give up the one that hangs after 30 s at a time

// --- what can be asked for, and the right answers --------------------------------------------------------------------

type Place = 'inline' | 'worker' | 'gpu' | 'gpu only';

const SIZES = [
  [9, 7],
  [64, 40],
  [100, 90],
  [1, 70],
] as const;
const holes = (x: number, y: number): number => (x > 5 && y > 3 && x < 30 ? 0 : y > 30 ? 90 : 255);
const small = new Uint8Array(readFileSync(new URL('../models/small-x2.safetensors', import.meta.url))).buffer;
const images = SIZES.flatMap(([w, h]) => [testImage(w, h), testImage(w, h, holes)]);
const weights = {
  compress: { weights: randomTensor([4, 8, 1, 1], 1) },
  encode: { weights: randomTensor([100, 4, 3, 3], 2) },
};
const features = [1, 5, 30].map((side, i) => randomTensor([1, 8, side, side + 1], 3 + i));
const kernels = features.map(({ shape: [, , h, w] }, i) => randomTensor([1, 25, 2 * h, 2 * w], 9 + i));

type Values = Uint8ClampedArray | Float32Array;
/** By backend, the results of all images, then of upsample and of carafe() for all features. */
const right: Record<'wasm' | 'webgpu', Values[]> = { wasm: [], webgpu: [] };

beforeAll(async () => {
  for (const backend of ['wasm', 'webgpu'] as const) {
    const device = backend === 'webgpu' ? await nodeGpuDevice() : undefined;
    const where = { backend, device, thread: 'inline' } as const;
    const upscaler = await createUpscaler({ ...where, model: 'small' });
    const module = await createCarafe(weights, where);
    for (const image of images) right[backend].push((await upscaler.upscale(image)).data);
    for (const x of features) right[backend].push((await module.upsample(x)).data);
    for (const [i, x] of features.entries())
      right[backend].push((await carafe(x, kernels[i], { backend, device })).data);
    upscaler.dispose();
    module.dispose();
  }
});

const same = (a: Values, b: Values): boolean => Buffer.compare(bytes(a), bytes(b)) === 0;
const bytes = ({ buffer, byteOffset, byteLength }: Values): Buffer => Buffer.from(buffer, byteOffset, byteLength);

const workers = watchWorkers();

// --- GPUs ------------------------------------------------------------------------------------------------------------

const spare: FaultyDevice[] = []; // compiling is most of a case's time: those that are not lost are used again
const lost = new WeakSet<FaultyDevice>();

async function takeDevice(): Promise<FaultyDevice> {
  const found = spare.pop();
  if (found) return found;
  const made = new FaultyDevice(await nodeGpuDevice());
  void made.device.lost.then(() => lost.add(made));
  return made;
}

// --- one case --------------------------------------------------------------------------------------------------------

interface Case {
  readonly seed: number;
  readonly story: string[];
  readonly problems: string[];
}

async function runCase({ seed, story, problems }: Case): Promise<void> {
  const next = random(seed * 7919);
  for (let i = 0; i < 5; i++) next();
  const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)];
  const chance = (p: number): boolean => next() < p;
  const moment = (maxMs: number): Promise<void> => (chance(0.3) ? Promise.resolve() : sleep(next() ** 2 * maxMs));

  const place: Place = pick(['inline', 'worker', 'worker', 'worker', 'gpu', 'gpu only']);
  const product = pick(['upscaler', 'upscaler', 'module', 'carafe'] as const);
  const gpu = place.startsWith('gpu') ? await takeDevice() : undefined;
  const mortal = place === 'worker' && chance(0.2);
  const name = String(seed);
  const url = mortal ? mortalWorkerUrl(name, 3 + Math.floor(next() * 12)) : workerUrl(name);
  const count = pick([1, 2, 3]);
  const creation = chance(0.1) ? new AbortController() : undefined;
  const options = {
    backend: gpu ? (place === 'gpu' ? (['webgpu', 'wasm'] as const) : 'webgpu') : 'wasm',
    device: gpu?.device,
    thread: place === 'worker' ? 'worker' : 'inline',
    workers: count,
    ...(place === 'worker' && { workerUrl: url }),
    signal: creation?.signal,
  } as const;
  story.push(`${product} ${place} ${mortal ? 'mortal ' : ''}x${count}`);

  const settled = async <T>(what: string, promise: Promise<T>): Promise<T | undefined> => {
    const late = Symbol('late');
    const timer = new AbortController();
    const result = await Promise.race([
      promise.catch((error: unknown) => ({ error })),
      sleep(LIMIT, late, { signal: timer.signal }).catch(() => late),
    ]);
    timer.abort();
    if (result === late) problems.push(`${what} never settled`);
    else if (typeof result === 'object' && result !== null && 'error' in result) {
      const { error } = result as { error: unknown };
      story.push(`${what}: ${error instanceof CarafeError ? error.code : String(error)}`);
      if (!(error instanceof CarafeError) && error !== 'aborted')
        problems.push(`${what} rejected with ${String(error)}`);
    } else {
      story.push(`${what}: ok`);
      return result as T;
    }
    return undefined;
  };
  const answers = (index: number): Values[] => [
    ...(place === 'gpu only' ? [] : [right.wasm[index]]),
    ...(gpu ? [right.webgpu[index]] : []),
  ];
  const check = (what: string, values: Values | undefined, index: number): void => {
    if (values && !answers(index).some((answer) => same(values, answer))) problems.push(`${what} is wrong`);
  };

  if (creation) void moment(200).then(() => creation.abort('aborted'));
  const breakGpu = (): void => {
    const [fault, calls] = [pick(GPU_FAULTS), 1 + Math.floor(next() * 3)];
    story.push(`${fault} x${calls}`);
    gpu?.fail(fault, calls);
  };
  if (gpu && chance(0.2)) breakGpu(); // at creation
  // what they are made from goes away at once
  const file = small.slice(0);
  const own = structuredClone(weights);
  const creating = {
    upscaler: () => createUpscaler({ ...options, model: file, tile: pick(gpu ? [33, 64] : [8, 16, 33, 64]) }),
    module: () => createCarafe(own, options),
  };
  const gone = <T>(promise: Promise<T>): Promise<T> => {
    structuredClone(null, { transfer: [file, own.compress.weights.data.buffer, own.encode.weights.data.buffer] });
    return promise;
  };
  const upscaler = product === 'upscaler' && (await settled('creation', gone(creating.upscaler())));
  const module = product === 'module' && (await settled('creation', gone(creating.module())));
  if (product !== 'carafe' && !upscaler && !module) return finish();

  let disposed = false;
  const dispose = (): void => {
    disposed = true;
    if (upscaler) upscaler.dispose();
    if (module) module.dispose();
  };
  const calls = Array.from({ length: 1 + Math.floor(next() * 4) }, async (_, i) => {
    const sizes = gpu ? 4 : images.length; // software GPUs are slow
    const index = Math.floor(next() * (upscaler ? sizes : features.length));
    const signal = chance(0.2) ? new AbortController() : undefined;
    const trouble = pick(['none', 'none', 'transferred', 'shrunk'] as const);
    const when = next() ** 2 * 60;
    const ways = next();
    await moment(30);
    if (signal) void sleep(next() ** 2 * 60).then(() => signal.abort('aborted'));
    /** The values on memory of their own, to which something happens. */
    const exposed = <T extends Values>(values: T): T => {
      const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
      const memory = new Resizable(values.byteLength, { maxByteLength: values.byteLength });
      const copy = new (values.constructor as new (b: ArrayBuffer) => T)(
        trouble === 'shrunk' ? memory : new ArrayBuffer(values.byteLength),
      );
      (copy as Uint8ClampedArray).set(values as Uint8ClampedArray);
      const hit = (): void => {
        if (trouble === 'transferred') structuredClone(copy.buffer, { transfer: [copy.buffer as ArrayBuffer] });
        if (trouble === 'shrunk') (memory as ArrayBuffer & { resize(n: number): void }).resize(4);
      };
      if (when < 5) queueMicrotask(hit);
      else void sleep(when).then(hit);
      return copy;
    };
    const name = `call ${i}${trouble === 'none' ? '' : ` (${trouble})`}`;
    if (upscaler) {
      const image: RawImage = { ...images[index], data: exposed(images[index].data) };
      const { scale } = upscaler.info;
      if (ways < 0.7) {
        const big = await settled(name, upscaler.upscale(image, { signal: signal?.signal }));
        check(name, big?.data, index);
      } else {
        await settled(
          `${name} tiles`,
          (async () => {
            for await (const { x, y, image: tile } of upscaler.tiles(image, { signal: signal?.signal })) {
              const crop = (all: Values): Uint8ClampedArray => {
                const data = new Uint8ClampedArray(tile.data.length);
                for (let row = 0; row < tile.height; row++) {
                  const from = ((y + row) * image.width * scale + x) * 4;
                  data.set(all.subarray(from, from + tile.width * 4), row * tile.width * 4);
                }
                return data;
              };
              if (!answers(index).some((answer) => same(tile.data, crop(answer))))
                problems.push(`${name}: a tile is wrong`);
              if (chance(0.05)) return;
              if (chance(0.2)) await sleep(5);
            }
          })(),
        );
      }
    } else if (module) {
      const x: Tensor = { ...features[index], data: exposed(features[index].data) };
      const into = ways < 0.3 ? new Float32Array(x.data.length * 4) : undefined;
      const result = await settled(name, module.upsample(x, { into, signal: signal?.signal }));
      check(name, result?.data, images.length + index);
    } else {
      const x: Tensor = { ...features[index], data: exposed(features[index].data) };
      const { backend, device } = options;
      const result = await settled(name, carafe(x, kernels[index], { backend, device }));
      check(name, result?.data, images.length + features.length + index);
    }
  });
  const trouble = Array.from({ length: Math.floor(next() * 3) }, async () => {
    await sleep(next() ** 2 * 80);
    if (gpu) {
      breakGpu();
    } else if (place === 'worker' && chance(0.8)) {
      story.push('kill');
      await pick(workers.get(name) ?? [])?.terminate();
    } else if (chance(0.5)) {
      story.push('dispose');
      dispose();
    }
  });
  await Promise.all([...calls, ...trouble]);

  if (!disposed && !mortal && place !== 'gpu only' && (upscaler || module)) {
    // the faults are over: the next call is right
    gpu?.recover();
    const last = upscaler
      ? await settled('last', upscaler.upscale(images[0]))
      : module && (await settled('last', module.upsample(features[0])));
    if (last) check('last', last.data, upscaler ? 0 : images.length);
    else problems.push('the call after all faults failed');
  }
  dispose();
  if (upscaler) await settled('disposed', upscaler.upscale(images[0]));
  if (module) await settled('disposed', module.upsample(features[0]));
  finish();

  function finish(): void {
    workers.delete(name);
    if (!gpu) return;
    gpu.recover();
    if (!lost.has(gpu)) spare.push(gpu);
  }
}

test(`${CASES} random cases`, { timeout: 3_600_000 }, async () => {
  const seeds = Array.from({ length: CASES }, (_, i) => FIRST + i);
  const failed: string[] = [];
  const lane = async (): Promise<void> => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const one: Case = { seed, story: [], problems: [] };
      try {
        await runCase(one);
      } catch (error) {
        one.problems.push(`the test itself: ${(error as Error).stack}`);
      }
      if (process.env.FAULTS_LOG) console.log(seed, one.story.join(', '));
      if (one.problems.length > 0) failed.push(`seed ${seed}: ${one.problems.join('; ')} [${one.story.join(', ')}]`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  expect(failed).toEqual([]);
});
