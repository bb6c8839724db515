// The upscaler on a GPUDevice in Node (npm `webgpu`, a software adapter): the same pixels, an honest choice, and no
// pixel lost with the GPU.
import { createCarafe, createUpscaler, type RawImage } from 'carafe-web';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { PLAIN } from '../../src/backends/backend.js';
import { SharedDevice } from '../../src/backends/webgpu/device.js';
import { BufferPool } from '../../src/backends/webgpu/buffer-pool.js';
import { CommandList, type GpuTensor } from '../../src/backends/webgpu/command-list.js';
import texts from '../../src/backends/webgpu/shader-texts.js';
import { createOps } from '../../src/backends/webgpu/webgpu-backend.js';
import { GpuConv } from '../../src/backends/webgpu/weights.js';
import { nodeGpuDevice } from '../backends.js';
import { assertSamePicture, randomTensor, rejection, testImage } from './support.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The software device under the name of a real one. */
async function hardware(): Promise<GPUDevice> {
  const device = await nodeGpuDevice();
  Object.defineProperty(device, 'adapterInfo', {
    value: { vendor: 'test', architecture: 'test', device: '', description: 'test adapter' },
  });
  return device;
}

test('a device of the caller: inline, within 1 of wasm, and still alive afterwards', async () => {
  const device = await nodeGpuDevice();
  const upscaler = await createUpscaler({ backend: 'webgpu', device });
  expect(upscaler.info).toMatchObject({ backend: 'webgpu', thread: 'inline', workers: 0 });
  const wasm = await createUpscaler({ backend: 'wasm' });
  const image = testImage(60, 40, (x) => Math.min(255, 6 * x));
  await assertSamePicture(await upscaler.upscale(image), await wasm.upscale(image), 1);
  upscaler.dispose();
  wasm.dispose();
  device.createBuffer({ size: 16, usage: 4 }).destroy();
  device.destroy();
});

test('on webgpu every tile size gives the same bits', async () => {
  const device = await nodeGpuDevice();
  const image = testImage(40, 27);
  const [whole, ...others] = await Promise.all(
    [64, 8, 13].map(async (tile) => {
      const upscaler = await createUpscaler({ backend: 'webgpu', device, tile });
      return upscaler.upscale(image);
    }),
  );
  for (const other of others) await assertSamePicture(other, whole);
  device.destroy();
});

test('100 images create no buffer and no pipeline that the first three did not', async () => {
  const device = await nodeGpuDevice();
  const calls = (
    ['createBuffer', 'createComputePipelineAsync', 'createComputePipeline', 'createShaderModule'] as const
  ).map((name) => vi.spyOn(device, name));
  const created = (): number[] => calls.map(({ mock }) => mock.calls.length);
  const upscaler = await createUpscaler({ backend: 'webgpu', device, tile: 16 });
  const compiled = created().slice(1);
  const images = [testImage(16, 8), testImage(8, 8), testImage(12, 9)]; // of one tile: runs do not meet
  for (const image of images) await upscaler.upscale(image);
  expect(created().slice(1)).toEqual(compiled); // all of them when the upscaler was created
  expect(calls[2]).not.toHaveBeenCalled(); // synchronous compilation stalls
  const before = created();
  for (let i = 0; i < 100; i++) await upscaler.upscale(images[i % 3]);
  expect(created()).toEqual(before);
  // Of calls at once two run at a time, and which two meet depends on the machine's load: buffers of twice as many at
  // most.
  await Promise.all(Array.from({ length: 60 }, (_, i) => upscaler.upscale(images[i % 3])));
  expect(created()[0]).toBeLessThanOrEqual(2 * before[0]);
  upscaler.dispose();
  device.destroy();
});

test('a module compiles when it is created, not in its first call', async () => {
  const device = await nodeGpuDevice();
  const compile = vi.spyOn(device, 'createComputePipelineAsync');
  for (const [scale, layout, cMid] of [
    [2, 'NCHW', 6],
    [2, 'NHWC', 8],
    [3, 'NCHW', 8],
    [4, 'NHWC', 4],
  ] as const) {
    const weights = {
      compress: { weights: randomTensor([cMid, 8, 1, 1], 1) },
      encode: { weights: randomTensor([25 * scale ** 2, cMid, 3, 3], 2) },
    };
    const module = await createCarafe(weights, { scale, layout, backend: 'webgpu', device });
    const { length } = compile.mock.calls;
    await module.upsample(randomTensor(layout === 'NCHW' ? [1, 8, 5, 6] : [1, 5, 6, 8], 3));
    expect(compile.mock.calls.length).toBe(length);
    module.dispose();
  }
  device.destroy();
});

test('a long program is several submits, and the result is the same', async () => {
  const device = await nodeGpuDevice();
  const pool = new BufferPool(device);
  const conv = new GpuConv(device, pool, {
    weights: Float32Array.from({ length: 9 * 16 }, (_, i) => Math.sin(i)),
    cOut: 4,
    cIn: 4,
    k: 3,
  });
  const x = Float32Array.from({ length: 8 * 8 * 4 }, (_, i) => Math.cos(i));
  const results: Float32Array[] = [];
  for (const [flops, submits] of [
    [undefined, 1],
    [4 * 2 * 64 * 144, 2],
    [2 * 64 * 144, 6],
    [1, 6],
  ] as const) {
    const shared = SharedDevice.of(device, texts);
    const list = new CommandList({ device, shared, half: false, hardware: false }, pool);
    const ops = createOps(list);
    let y = ops.input(x, [1, 8, 8, 4]);
    for (let i = 0; i < 6; i++) y = ops.conv2d(y, conv, PLAIN);
    const readback = pool.acquire(x.byteLength, 'readback', 'the result');
    await Promise.all(list.compiling());
    const commands = list.encode([y as GpuTensor], readback.gpu, flops);
    expect(commands.length).toBe(submits);
    for (const one of commands) device.queue.submit([one]);
    await readback.gpu.mapAsync(1);
    results.push(new Float32Array(readback.gpu.getMappedRange(0, x.byteLength).slice(0)));
  }
  for (const result of results) expect(result).toEqual(results[0]);
  device.destroy();
});

test('on the kernels of a real GPU each tile is one submit, and every tile size gives the same bits', async () => {
  const device = await hardware();
  const image = testImage(40, 40);
  const results: RawImage[] = [];
  for (const [tile, submits] of [
    [40, 1],
    [20, 4],
    [12, 16],
  ] as const) {
    const upscaler = await createUpscaler({ model: 'small', backend: 'webgpu', device, tile });
    const submit = vi.spyOn(device.queue, 'submit');
    const done: number[] = [];
    results.push(await upscaler.upscale(image, { onProgress: (progress) => done.push(progress.done) }));
    expect(submit).toHaveBeenCalledTimes(submits);
    expect(done).toEqual(Array.from({ length: done.at(-1)! }, (_, i) => i + 1)); // tile by tile all the same
    submit.mockRestore();
    upscaler.dispose();
  }
  for (const result of results) await assertSamePicture(result, results[0]);
  device.destroy();
});

test('auto does not take a software device over wasm', async () => {
  const device = await nodeGpuDevice();
  const upscaler = await createUpscaler({ device });
  expect(upscaler.info).toMatchObject({
    backend: 'wasm',
    rejected: [{ backend: 'webgpu', reason: expect.stringContaining('software') }],
  });
  upscaler.dispose();
  expect((await rejection(createUpscaler({ device, thread: 'worker' }))).code).toBe('InvalidOption');
  device.destroy();
});

describe('auto with a hardware adapter', () => {
  /** Makes a tile on `quick` seem to take 1 ms and on the other 100: webgpu is timed first. */
  function makeQuick(quick: 'webgpu' | 'wasm'): void {
    const marks = quick === 'webgpu' ? [0, 1, 1000, 1100] : [0, 100, 1000, 1001];
    const real = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => marks.shift() ?? real());
  }

  test.each([
    ['webgpu', 'wasm'],
    ['wasm', 'webgpu'],
  ] as const)(
    '%s wins when it is quicker than %s, and both times are told: images and the operator',
    async (quick, slow) => {
      const device = await hardware();
      for (const create of [
        () => createUpscaler({ device, model: 'small' }),
        () => createCarafe({ encode: { weights: randomTensor([36, 4, 3, 3], 1) } }, { kUp: 3, device }),
      ]) {
        makeQuick(quick);
        const { info } = await create();
        expect(info.backend).toBe(quick);
        expect(info.timings).toEqual({ [quick]: 1, [slow]: 100 });
        expect(info.rejected).toEqual([{ backend: slow, reason: `slower here: 100.0 ms, ${quick} 1.0 ms` }]);
      }
      device.destroy();
    },
  );

  test('a GPU lost in the middle of an image: all of it is wasm’s, to the bit', async () => {
    const device = await hardware();
    makeQuick('webgpu');
    const upscaler = await createUpscaler({ device, model: 'small', tile: 16 });
    const image = testImage(48, 96);
    const done: number[] = [];
    const pending = upscaler.upscale(image, {
      onProgress: (progress) => {
        done.push(progress.done);
        if (progress.done === 1) device.destroy(); // of three jobs one is done and one is under way
      },
    });
    const wasm = await createUpscaler({ backend: 'wasm', model: 'small' });
    await assertSamePicture(await pending, await wasm.upscale(image));
    expect(done).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
    expect(upscaler.info).toMatchObject({
      backend: 'wasm',
      rejected: [
        { backend: 'wasm', reason: expect.stringContaining('slower') },
        { backend: 'webgpu', reason: expect.stringMatching(/lost|destroyed/i) },
      ],
    });
    for (const one of [upscaler, wasm]) one.dispose();
  });

  test('a GPU lost under the operator: the result is wasm’s', async () => {
    const device = await hardware();
    const weights = { encode: { weights: randomTensor([36, 4, 3, 3], 1) } };
    makeQuick('webgpu');
    const module = await createCarafe(weights, { kUp: 3, device });
    expect(module.info.backend).toBe('webgpu');
    const wasm = await createCarafe(weights, { kUp: 3, backend: 'wasm' });
    const x = randomTensor([1, 4, 20, 20], 2);
    const pending = module.upsample(x);
    device.destroy();
    expect(await pending).toEqual(await wasm.upsample(x));
    expect(module.info.backend).toBe('wasm');
    for (const one of [module, wasm]) one.dispose();
  });

  test('lost with an explicit backend: the error, not other pixels', async () => {
    const device = await nodeGpuDevice();
    const upscaler = await createUpscaler({ backend: 'webgpu', device, tile: 16 });
    const pending = rejection(
      upscaler.upscale(testImage(64, 64), {
        onProgress: ({ done }) => {
          if (done === 1) device.destroy();
        },
      }),
    );
    expect((await pending).code).toBe('DeviceLost');
  });
});
