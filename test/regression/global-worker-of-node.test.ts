// A library that makes worker_threads' Worker global in Node (onnxruntime-web does) was taken for a browser: no worker
// started.
import { Worker } from 'node:worker_threads';
import { createUpscaler } from 'carafe-web';
import { afterAll, beforeAll, expect, test } from 'vitest';

const before = globalThis.Worker;
beforeAll(() => {
  globalThis.Worker = Worker as unknown as typeof globalThis.Worker;
});
afterAll(() => {
  globalThis.Worker = before;
});

test('a worker starts', async () => {
  const upscaler = await createUpscaler({ backend: 'wasm', thread: 'worker', workers: 1 });
  expect((await upscaler.upscale({ data: new Uint8ClampedArray(400), width: 10, height: 10 })).width).toBe(20);
  upscaler.dispose();
});
