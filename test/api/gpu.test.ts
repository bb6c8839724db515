// The upscaler on a GPUDevice in Node (npm `webgpu`, a software adapter): the same pixels, an honest choice, and no pixel lost with the GPU.
import { createUpscaler } from 'carafe-web';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { UpscalerEngine } from '../../src/engine/upscaler-engine.js';
import { cutTile } from '../../src/engine/tiles.js';
import { nodeGpuDevice } from '../backends.js';
import { difference, rejection, testImage } from './support.js';

let model: Uint8Array;
beforeAll(async () => { model = await readFile(new URL('../../models/base-x2.safetensors', import.meta.url)); });
afterEach(() => { vi.restoreAllMocks(); });

test('a device of the caller: inline, within 1 of wasm, and still alive afterwards', async () => {
  const device = await nodeGpuDevice();
  const upscaler = await createUpscaler({ backend: 'webgpu', device });
  expect(upscaler.info).toMatchObject({ backend: 'webgpu', thread: 'inline', workers: 0 });
  const wasm = await createUpscaler({ backend: 'wasm' });
  const image = testImage(60, 40, (x) => Math.min(255, 6 * x));
  expect(difference((await upscaler.upscale(image)).data, (await wasm.upscale(image)).data).max).toBeLessThanOrEqual(1);
  upscaler.dispose();
  wasm.dispose();
  device.createBuffer({ size: 16, usage: 4 }).destroy();
  device.destroy();
});

test('on webgpu every tile size gives the same bits', async () => {
  const device = await nodeGpuDevice();
  const image = testImage(40, 27);
  const [whole, ...others] = await Promise.all([64, 8, 13].map(async (tile) => {
    const upscaler = await createUpscaler({ backend: 'webgpu', device, tile });
    return upscaler.upscale(image);
  }));
  for (const other of others) expect(difference(other.data, whole.data).count).toBe(0);
  device.destroy();
});

test('auto does not take a software device over wasm', async () => {
  const device = await nodeGpuDevice();
  const upscaler = await createUpscaler({ device });
  expect(upscaler.info).toMatchObject({ backend: 'wasm', rejected: [{ backend: 'webgpu', reason: expect.stringContaining('software') }] });
  upscaler.dispose();
  expect((await rejection(createUpscaler({ device, thread: 'worker' }))).code).toBe('InvalidOption');
  device.destroy();
});

describe('auto with a hardware adapter', () => {
  /** The software device under the name of a real one. */
  async function hardware(): Promise<GPUDevice> {
    const device = await nodeGpuDevice();
    Object.defineProperty(device, 'adapterInfo', { value: { vendor: 'test', architecture: 'test', device: '', description: 'test adapter' } });
    return device;
  }

  /** Makes a tile on `quick` seem to take 1 ms and on the other 100: webgpu is timed first. */
  function makeQuick(quick: 'webgpu' | 'wasm'): void {
    const marks = quick === 'webgpu' ? [0, 1, 1000, 1100] : [0, 100, 1000, 1001];
    const real = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => marks.shift() ?? real());
  }

  test.each([['webgpu', 'wasm'], ['wasm', 'webgpu']] as const)('%s wins when it is quicker than %s, and both times are told', async (quick, slow) => {
    const device = await hardware();
    makeQuick(quick);
    const engine = await UpscalerEngine.create({ backend: 'auto', device, model });
    expect(engine.info.backend).toBe(quick);
    expect(engine.info.timings).toEqual({ [quick]: 1, [slow]: 100 });
    expect(engine.info.rejected).toEqual([{ backend: slow, reason: `slower here: 100.0 ms a tile, ${quick} 1.0 ms` }]);
    engine.dispose();
    device.destroy();
  });

  test('a GPU lost in the middle of an image: the remaining tiles run on wasm', async () => {
    const device = await hardware();
    makeQuick('webgpu');
    const engine = await UpscalerEngine.create({ backend: 'auto', device, model });
    const image = testImage(64, 64);
    const tiles = [0, 16, 32, 48].map((y) => ({ x: 0, y, width: 64, height: 16 }));
    const { opaque: halo } = engine.info.halo;
    const wasm = await UpscalerEngine.create({ backend: ['wasm'], model });
    for (const [i, core] of tiles.entries()) {
      const job = () => ({ ...cutTile(image, core, halo), alpha: false });
      const pending = engine.runTile(job());
      if (i === 1) device.destroy(); // while the tile runs
      expect(difference((await pending).data, (await wasm.runTile(job())).data).max).toBeLessThanOrEqual(1);
      expect(engine.info.backend).toBe(i < 1 ? 'webgpu' : 'wasm');
    }
    expect(engine.info.rejected.at(-1)).toMatchObject({ backend: 'webgpu', reason: expect.stringMatching(/lost|destroyed/i) });
    engine.dispose();
    wasm.dispose();
  });

  test('lost with an explicit backend: the error, not other pixels', async () => {
    const device = await nodeGpuDevice();
    const upscaler = await createUpscaler({ backend: 'webgpu', device, tile: 16 });
    const pending = rejection(upscaler.upscale(testImage(64, 64), { onProgress: ({ done }) => { if (done === 1) device.destroy(); } }));
    expect((await pending).code).toBe('DeviceLost');
  });
});
