// The built package in a real Chromium: page and worker, each way the worker can be found, files in and out.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createUpscaler, upscale } from 'carafe-web';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.js';
import { difference, testImage } from '../api/support.js';
import { type Browser, launchChromium } from '../chromium.js';

const root = new URL('../..', import.meta.url).pathname;
let site: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
let page: Page;
const requests: string[] = [];

beforeAll(async () => {
  site = await serve(root);
  browser = await launchChromium();
  page = await browser.context.newPage();
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  await page.goto(`${site.origin}/test/dist/blank.html`);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

/** Runs `body` in the page with the package as `carafe` and `image` as RGBA pixels; what it returns has to be JSON. */
function inPage<T>(body: string, image = testImage(48, 40), on: Page = page): Promise<T> {
  return on.evaluate(`(async () => {
    const carafe = await import('/dist/index.js');
    const image = { data: Uint8ClampedArray.from(${JSON.stringify([...image.data])}), width: ${image.width}, height: ${image.height} };
    ${body}
  })()`) as Promise<T>;
}

describe('upscale', () => {
  test('in a worker found by its file, on relaxed SIMD, with the pixels of Node', async () => {
    requests.length = 0;
    const result = await inPage<{ info: object; data: number[] }>(
      'const upscaler = await carafe.createUpscaler({ tile: 16 }); const { data } = await upscaler.upscale(image); const { info } = upscaler; upscaler.dispose(); return { info, data: [...data] };',
    );
    expect(result.info).toMatchObject({
      backend: 'wasm',
      details: 'relaxed-simd',
      thread: 'worker',
      rejected: [{ backend: 'webgpu', reason: expect.stringContaining('software adapter') }],
    });
    expect(requests.filter((path) => path.endsWith('/carafe-web-worker.js'))).not.toHaveLength(0);
    const node = await createUpscaler({ backend: 'wasm' });
    const want = await node.upscale(testImage(48, 40));
    node.dispose();
    expect(difference(Uint8ClampedArray.from(result.data), want.data).max).toBeLessThanOrEqual(1);
  });

  test.each(['worker', 'inline'])('on webgpu, thread %s, within 1 of wasm', async (thread) => {
    const { info, max } = await inPage<{ info: object; max: number }>(`
      const gpu = await carafe.createUpscaler({ backend: 'webgpu', thread: '${thread}' });
      const [a, b] = [await gpu.upscale(image), await carafe.upscale(image, { backend: 'wasm' })];
      const { info } = gpu;
      gpu.dispose();
      return { info, max: a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i])), 0) };`);
    expect(info).toMatchObject({ backend: 'webgpu', thread, rejected: [] });
    expect(max).toBeLessThanOrEqual(1);
  });

  test('the page’s timers keep firing', async () => {
    const { ticks, tiles } = await inPage<{ ticks: number; tiles: number }>(
      `
      let ticks = 0, tiles = 0;
      const timer = setInterval(() => { ticks++; }, 4);
      await carafe.upscale(image, { tile: 64, onProgress: () => { tiles++; } });
      clearInterval(timer);
      return { ticks, tiles };`,
      testImage(600, 600),
    );
    expect(tiles).toBe(100);
    expect(ticks).toBeGreaterThanOrEqual(20);
  });

  test('abort: the signal’s reason, and the next call works', async () => {
    expect(
      await inPage(`
      const upscaler = await carafe.createUpscaler({ tile: 8 });
      const controller = new AbortController();
      const reason = await upscaler.upscale(image, { signal: controller.signal, onProgress: () => controller.abort('enough') }).catch((error) => error);
      const { width } = await upscaler.upscale(image);
      upscaler.dispose();
      return [reason, width];`),
    ).toEqual(['enough', 96]);
  });

  test('errors keep class and code across the worker; a worker that dies rejects', async () => {
    expect(
      await inPage(`
      const bad = await carafe.createUpscaler({ model: new ArrayBuffer(9), thread: 'worker' }).catch((error) => error);
      const mortal = await carafe.createUpscaler({ workers: 1, tile: 8, workerUrl: new URL('/test/dist/mortal-worker.js', location.href) });
      const dead = await mortal.upscale(image).catch((error) => error);
      return [bad instanceof carafe.CarafeError, bad.code, dead instanceof carafe.CarafeError, dead.code];`),
    ).toEqual([true, 'ModelInvalid', true, 'WorkerCrashed']);
  });
});

test('a network out of a checkpoint, in its own worker, on wasm and on webgpu', async () => {
  requests.length = 0;
  const { infos, shapes, most } = await inPage<{ infos: object[]; shapes: number[][]; most: number }>(`
    const { createNetwork } = await import('/dist/networks.js');
    const map = (c, h, w) => ({ data: Float32Array.from({ length: c * h * w }, (_, i) => Math.sin(i)), shape: [1, c, h, w] });
    const maps = [map(6, 9, 13), map(8, 5, 7), map(12, 3, 4)];
    const file = new URL('/test/golden/checkpoints/detector.pth', location.href);
    const [infos, results] = [[], []];
    for (const backend of ['wasm', 'webgpu']) {
      const fpn = await createNetwork('fpn', file, { prefix: 'neck', backend });
      results.push(await fpn.run(maps));
      infos.push(fpn.info);
      fpn.dispose();
    }
    const most = Math.max(...results[0].flatMap(({ data }, i) => [...data].map((v, k) => Math.abs(v - results[1][i].data[k]))));
    return { infos, shapes: results[0].map(({ shape }) => shape), most };`);
  expect(infos).toMatchObject(['wasm', 'webgpu'].map((backend) => ({ backend, thread: 'worker', rejected: [] })));
  expect(requests.filter((path) => path.endsWith('/carafe-web-networks-worker.js'))).not.toHaveLength(0);
  expect(shapes).toEqual([
    [1, 8, 9, 13],
    [1, 8, 5, 7],
    [1, 8, 3, 4],
  ]);
  expect(most).toBeLessThan(1e-4);
});

test('files, bitmaps and canvases in, PNG and ImageBitmap out', async () => {
  expect(
    await inPage(`
    const blob = await (await fetch('/examples/sample.jpg')).blob();
    const bitmap = await createImageBitmap(blob, { resizeWidth: 40, resizeHeight: 30 });
    const canvas = new OffscreenCanvas(40, 30);
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    const element = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
    element.getContext('2d').drawImage(bitmap, 0, 0);
    const img = new Image();
    img.src = element.toDataURL();
    await img.decode();
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    const upscaler = await carafe.createUpscaler();
    const sizes = [];
    const results = [];
    for (const input of [blob, bitmap, canvas, element, img, frame, element.getContext('2d').getImageData(0, 0, 40, 30)]) {
      const big = await upscaler.upscale(input);
      results.push(big);
      sizes.push([big.width, big.height]);
    }
    frame.close();
    const same = [2, 3, 4, 6].map((i) => results[i].data.every((value, j) => Math.abs(value - results[1].data[j]) <= 1));
    const png = await carafe.toBlob(results[0]);
    const back = await createImageBitmap(png);
    const shown = await carafe.toImageBitmap(results[0]);
    const broken = await upscaler.upscale(new Blob(['not an image'], { type: 'image/png' })).catch((error) => error.code);
    upscaler.dispose();
    return { sizes, same, png: [png.type, back.width, back.height], shown: [shown.width, shown.height], broken };`),
  ).toEqual({
    sizes: [[902, 600], ...Array.from({ length: 6 }, () => [80, 60])],
    same: [true, true, true, true],
    png: ['image/png', 902, 600],
    shown: [902, 600],
    broken: 'UnsupportedImage',
  });
});

test('README’s first lines: an <img> becomes a canvas of twice its size', async () => {
  const [, code] = (await readFile(`${root}README.md`, 'utf8')).match(/```js page\n([\s\S]*?)```/)!;
  expect(code.trim().split('\n')).toHaveLength(6);
  const reader = await browser.context.newPage();
  await reader.goto(`${site.origin}/test/dist/blank.html`);
  await reader.setContent(`<img src="${site.origin}/test/images/car.png">
    <script type="importmap">{ "imports": { "carafe-web": "/dist/index.js" } }</script>
    <script type="module">${code}</script>`);
  await reader.waitForSelector('canvas');
  const shown = await reader.evaluate(`(async () => {
    const { width, height } = document.querySelector('canvas');
    const { data } = document.querySelector('canvas').getContext('2d').getImageData(0, 0, width, height);
    return [width, height, [...new Uint8Array(await crypto.subtle.digest('SHA-256', data))]];
  })()`);
  const photo = await sharp(`${root}test/images/car.png`).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const want = await upscale(
    { data: photo.data, width: photo.info.width, height: photo.info.height },
    { backend: 'wasm' },
  );
  expect(shown).toEqual([want.width, want.height, [...createHash('sha256').update(want.data).digest()]]);
  await reader.close();
});

test('createCarafe and carafe on webgpu and wasm agree', async () => {
  expect(
    await inPage(`
    const values = (length, step) => Float32Array.from({ length }, (_, i) => Math.sin(i * step));
    const x = { data: values(2 * 6 * 5 * 7, 0.7), shape: [2, 6, 5, 7] };
    const weights = { compress: { weights: { data: values(24, 1.3), shape: [4, 6, 1, 1] } }, encode: { weights: { data: values(100 * 4 * 9, 0.9), shape: [100, 4, 3, 3] } } };
    const results = [];
    for (const backend of ['webgpu', 'wasm']) {
      const module = await carafe.createCarafe(weights, { backend });
      const [kernels, y] = [await module.predictKernels(x), await module.upsample(x)];
      results.push(y, await carafe.carafe(x, kernels, { backend }));
      module.dispose();
    }
    return [results.map((r) => r.shape.join()), results.every((r) => r.data.every((value, i) => Math.abs(value - results[0].data[i]) < 1e-5))];`),
  ).toEqual([Array(4).fill('2,6,10,14'), true]);
});
