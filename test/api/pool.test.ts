// Workers that share a queue, as users see them: dead ones come back, cancelled work is not done, signals end what they
// are for.
import { setTimeout as sleep } from 'node:timers/promises';
import { createCarafe, createUpscaler } from 'carafe-web';
import { describe, expect, test } from 'vitest';
import { mortalWorkerUrl, puzzledWorkerUrl, watchWorkers, workerUrl } from '../workers.js';
import { assertSamePicture, randomTensor, rejection, testImage } from './support.js';

const workers = watchWorkers();
const wasm = { backend: 'wasm', model: 'small' } as const;

describe('a worker that is killed', () => {
  test('is started again, and the image it worked on is finished', async () => {
    const upscaler = await createUpscaler({ ...wasm, workers: 2, tile: 16, workerUrl: workerUrl('again') });
    expect(upscaler.info.workers).toBe(2);
    const image = testImage(200, 200);
    const want = await upscaler.upscale(image);
    let kills = 2;
    const big = await upscaler.upscale(image, {
      onProgress: ({ done }) => {
        if (done % 40 === 20 && kills-- > 0) void workers.get('again')!.at(-1)!.terminate();
      },
    });
    await assertSamePicture(big, want);
    await workers.get('again')![0].terminate();
    expect((await upscaler.upscale(testImage(8, 8))).width).toBe(16);
    for (let i = 0; i < 100 && upscaler.info.workers < 2; i++) await sleep(50);
    expect(upscaler.info.workers).toBe(2);
    upscaler.dispose();
  });

  test('under a module, too', async () => {
    const options = { backend: 'wasm', thread: 'worker', workers: 1, workerUrl: workerUrl('module') } as const;
    const module = await createCarafe({ encode: { weights: randomTensor([100, 4, 3, 3], 1) } }, options);
    const x = randomTensor([1, 4, 9, 7], 2);
    const want = await module.upsample(x);
    const pending = module.upsample(x, { into: new Float32Array(want.data.length) });
    await workers.get('module')![0].terminate();
    expect(await pending).toEqual(want);
    module.dispose();
  });

  test('because it got a message that it cannot read: the call ends', async () => {
    const upscaler = await createUpscaler({ ...wasm, workers: 1, workerUrl: puzzledWorkerUrl('puzzled', 3) });
    expect((await rejection(upscaler.upscale(testImage(8, 8)))).message).toContain('a message could not be read');
    upscaler.dispose();
  });

  test('is not started again for ever', async () => {
    const upscaler = await createUpscaler({ ...wasm, workers: 1, workerUrl: mortalWorkerUrl('mortal', 3) }); // of its first job
    for (let i = 0; i < 8; i++) expect((await rejection(upscaler.upscale(testImage(8, 8)))).code).toBe('WorkerCrashed');
    expect(workers.get('mortal')!.length).toBe(9);
    upscaler.dispose();
  });
});

test('after twenty cancelled images the next one does not wait for them', async () => {
  const upscaler = await createUpscaler({ backend: 'wasm', model: 'large', workers: 1, tile: 128 });
  const large = testImage(512, 512);
  const tile = testImage(128, 128);
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  await upscaler.upscale(tile);
  const one = await timed(() => upscaler.upscale(tile));
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController();
    const cancelled = rejection(upscaler.upscale(large, { signal: controller.signal }));
    await sleep(1);
    controller.abort();
    await cancelled;
  }
  const after = await timed(() => upscaler.upscale(testImage(8, 8)));
  expect(after).toBeLessThan(6 * one); // 20 x 2 tiles would be 40
  upscaler.dispose();
});

test('calls of a module that wait start more workers, those that follow one another do not', async () => {
  const options = { backend: 'wasm', thread: 'worker', workers: 3 } as const;
  const module = await createCarafe({ encode: { weights: randomTensor([100, 16, 3, 3], 1) } }, options);
  const x = randomTensor([1, 16, 60, 60], 2);
  const want = await module.upsample(x);
  for (let i = 0; i < 3; i++) await module.upsample(x);
  expect(module.info).toMatchObject({ backend: 'wasm', thread: 'worker', workers: 1 });
  const results = await Promise.all(Array.from({ length: 60 }, () => module.upsample(x)));
  expect(
    results.every(({ data }) => Buffer.compare(Buffer.from(data.buffer), Buffer.from(want.data.buffer)) === 0),
  ).toBe(true);
  for (let i = 0; i < 100 && module.info.workers < 2; i++) await sleep(50);
  expect(module.info.workers).toBeGreaterThan(1);
  module.dispose();
});

describe('signals', () => {
  test('eleven calls on one signal print no warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on('warning', note);
    const upscaler = await createUpscaler({ ...wasm, thread: 'inline' });
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 30 }, () => upscaler.upscale(testImage(9, 9), { signal })));
    await sleep(10);
    process.off('warning', note);
    expect(warnings).toEqual([]);
    upscaler.dispose();
  });

  test('each of the calls on one signal ends by it, also at the end of one of them', async () => {
    const upscaler = await createUpscaler({ ...wasm, workers: 1, tile: 16 });
    const controller = new AbortController();
    const { signal } = controller;
    await upscaler.upscale(testImage(9, 9), { signal });
    const pending = [0, 1, 2].map(() => rejection(upscaler.upscale(testImage(300, 300), { signal })));
    await upscaler.upscale(testImage(9, 9), { signal });
    controller.abort('enough');
    expect(await Promise.all(pending)).toEqual(['enough', 'enough', 'enough']);
    upscaler.dispose();
  });

  test('end a creation: in a worker that never answers, and while it opens', async () => {
    const silent = new URL('data:text/javascript,setInterval(() => {}, 1000)');
    for (const [url, delay] of [
      [silent, 50],
      [undefined, 0],
      [undefined, 20],
      [undefined, 60],
    ] as const) {
      const controller = new AbortController();
      const options = { backend: 'wasm', thread: 'worker', workerUrl: url, signal: controller.signal } as const;
      const pending = [
        rejection(createUpscaler(options)),
        rejection(createCarafe({ encode: { weights: randomTensor([100, 4, 3, 3], 1) } }, options)),
      ];
      await sleep(delay);
      controller.abort('no more');
      for (const error of await Promise.all(pending.map((one) => one.catch(() => 'was created already'))))
        expect(['no more', 'was created already']).toContain(error);
    }
  });

  test('end a call of a module', async () => {
    const module = await createCarafe(
      { encode: { weights: randomTensor([100, 16, 3, 3], 1) } },
      { backend: 'wasm', thread: 'worker', workers: 1 },
    );
    const controller = new AbortController();
    const pending = rejection(module.upsample(randomTensor([1, 16, 100, 100], 2), { signal: controller.signal }));
    controller.abort('enough');
    expect(await pending).toBe('enough');
    module.dispose();
  });
});

test('what a worker is made from may go away', async () => {
  const weights = { encode: { weights: randomTensor([100, 4, 3, 3], 1) } };
  const x = randomTensor([1, 4, 9, 7], 2);
  const options = { backend: 'wasm', thread: 'worker', workers: 1, workerUrl: workerUrl('weights') } as const;
  const creating = createCarafe(weights, options);
  weights.encode.weights.data.fill(NaN);
  const module = await creating;
  const want = await module.upsample(x);
  expect(want.data.every(Number.isFinite)).toBe(true);
  await workers.get('weights')![0].terminate();
  expect(await module.upsample(x)).toEqual(want);
  module.dispose();
});
