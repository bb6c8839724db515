// examples/webgpu in Chromium, on its software adapter: CARAFE between two onnxruntime-web sessions, and between ops of
// tfjs, on their own device. Nothing is read back on the way.
import { createCarafe } from 'carafe-web';
import type { Page } from 'playwright-core';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.js';
import { OnnxGraph } from '../../src/onnx/graph.js';
import { randomTensor } from '../api/support.js';
import { type Browser, launchChromium } from '../chromium.js';

const root = new URL('../..', import.meta.url).pathname;
let site: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  site = await serve(root);
  browser = await launchChromium();
  page = await browser.context.newPage();
  await page.goto(`${site.origin}/test/dist/blank.html`);
  await page.evaluate(`
    globalThis.maps = 0;
    const { mapAsync } = GPUBuffer.prototype;
    GPUBuffer.prototype.mapAsync = function (...args) { globalThis.maps++; return mapAsync.apply(this, args); };`);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

/** What the example's file exports, and `library`, as globals of the page. */
async function load(example: string, library: string): Promise<void> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import * as example from './examples/webgpu/${example}.js'; import * as library from '${library}'; Object.assign(globalThis, { example, library });`,
      resolveDir: root,
    },
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'silent',
    external: ['node:*', 'fs', 'util', 'worker_threads', 'module', 'path', 'url', 'os'],
  });
  await page.addScriptTag({ type: 'module', content: outputFiles[0].text });
  await page.waitForFunction('globalThis.example');
}

const plain = ({ data, shape }: { data: Float32Array; shape: readonly number[] }) => ({ data: [...data], shape });
const weights = {
  compress: { weights: randomTensor([4, 8, 1, 1], 1, 0.5) },
  encode: { weights: randomTensor([100, 4, 3, 3], 2, 0.3) },
};
const module = {
  weights: {
    compress: { weights: plain(weights.compress.weights) },
    encode: { weights: plain(weights.encode.weights) },
  },
  options: { scale: 2, kUp: 5 },
};
/** For evaluate(), which passes JSON. */
const revived = `const tensor = ({ data, shape }) => ({ data: Float32Array.from(data), shape });
  const carafe = { options: module.options, weights: Object.fromEntries(Object.entries(module.weights).map(([name, { weights }]) => [name, { weights: tensor(weights) }])) };`;

function convModel(cOut: number, cIn: number, seed: number): { bytes: number[]; run: (x: number[][]) => number[][] } {
  const { data } = randomTensor([cOut, cIn, 1, 1], seed, 0.5);
  const g = new OnnxGraph();
  g.node('Conv', ['x', g.constant(data, [cOut, cIn, 1, 1])], { kernel_shape: [1, 1] }, 'y');
  const bytes = [...g.finish({ x: ['n', cIn, 'h', 'w'] }, { y: ['n', cOut, 'h', 'w'] })];
  const run = (x: number[][]): number[][] =>
    Array.from({ length: cOut }, (_, co) =>
      x[0].map((__, i) => x.reduce((sum, plane, ci) => sum + plane[i] * data[co * cIn + ci], 0)),
    );
  return { bytes, run };
}

test('between two sessions of onnxruntime-web', async () => {
  await load('onnxruntime-web', 'onnxruntime-web/webgpu');
  const [backbone, head] = [convModel(8, 3, 3), convModel(2, 8, 4)];
  const x = randomTensor([1, 3, 6, 5], 5);
  const { result, maps, location } = await page.evaluate<{
    result: number[];
    maps: number;
    location: string;
  }>(`(async () => {
    const { env } = globalThis.library;
    Object.assign(env.wasm, { numThreads: 1, proxy: false, wasmPaths: '/node_modules/onnxruntime-web/dist/' });
    env.logLevel = 'fatal';
    const module = ${JSON.stringify(module)};
    ${revived}
    const chain = await globalThis.example.openChain({ backbone: Uint8Array.from(${JSON.stringify(backbone.bytes)}), head: Uint8Array.from(${JSON.stringify(head.bytes)}) }, carafe);
    const x = Float32Array.from(${JSON.stringify([...x.data])});
    await chain(x, [1, 3, 6, 5]); // compiles
    globalThis.maps = 0;
    const result = await chain(x, [1, 3, 6, 5]);
    return { result: [...result.data], maps: globalThis.maps, location: result.location };
  })()`);
  const planes = (data: Float32Array, count: number): number[][] =>
    Array.from({ length: count }, (_, i) => [
      ...data.subarray((i * data.length) / count, ((i + 1) * data.length) / count),
    ]);
  const features = { data: Float32Array.from(backbone.run(planes(x.data, 3)).flat()), shape: [1, 8, 6, 5] };
  const reference = await createCarafe(weights, { ...module.options, backend: 'reference' });
  const want = head.run(planes((await reference.upsample(features)).data, 8)).flat();
  expect(result).toHaveLength(want.length);
  expect(Math.max(...want.map((v, i) => Math.abs(v - result[i])))).toBeLessThan(1e-4);
  expect([maps, location]).toEqual([1, 'cpu']); // the head's result alone comes back
}, 120_000);

test('between ops of tfjs', async () => {
  await load('tfjs', '@tensorflow/tfjs-core');
  const x = randomTensor([1, 6, 5, 8], 6);
  const { result, maps } = await page.evaluate<{ result: number[]; maps: number }>(`(async () => {
    GPUAdapter.prototype.requestAdapterInfo ??= async function () { return this.info; }; // tfjs 4 asks so; engines have removed it since
    const module = ${JSON.stringify(module)};
    ${revived}
    const tf = globalThis.library;
    const upsample = await globalThis.example.openCarafe(carafe);
    const x = tf.tensor4d(Float32Array.from(${JSON.stringify([...x.data])}), [1, 6, 5, 8]);
    globalThis.maps = 0;
    const y = await upsample(tf.mul(x, 2));
    const doubled = tf.add(y, 1);
    const { maps } = globalThis;
    return { result: [...(await doubled.data())], maps };
  })()`);
  const reference = await createCarafe(weights, { ...module.options, backend: 'reference', layout: 'NHWC' });
  const { data } = await reference.upsample({ ...x, data: x.data.map((v) => 2 * v) });
  expect(result).toHaveLength(data.length);
  expect(Math.max(...data.map((v, i) => Math.abs(v + 1 - result[i])))).toBeLessThan(1e-4);
  expect(maps).toBe(0);
}, 120_000);
