// carafe-web/backward: gradients of the reassembly and of the module on every backend, against torch's autograd in
// float64 (training/golden_gradients.py) and mmcv's own gradient vectors.
import { readFileSync } from 'node:fs';
import { carafe } from 'carafe-web';
import { carafeBackward, createCarafe } from 'carafe-web/backward';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkModule, type ConvParameters } from '../src/api/module-options.js';
import type { GradientBackend } from '../src/backends/gradients.js';
import { createReferenceGradients } from '../src/backends/reference/reference-gradients.js';
import type { Padding } from '../src/core/shapes.js';
import type { Shape, Tensor } from '../src/core/tensor.js';
import { type ConvGradients, moduleGradients, reassemblyGradients } from '../src/engine/backward.js';
import { parseSafetensors } from '../src/models/safetensors.js';
import { randomTensor, rejection } from './api/support.js';
import { nodeGpuDevice } from './backends.js';

const { tensors, metadata } = parseSafetensors(
  readFileSync(new URL('./golden/gradients.safetensors', import.meta.url)),
);
const cases = JSON.parse(metadata.cases) as {
  name: string;
  params: { scale: number; kUp: number; groups: number; padding: Padding };
}[];
const get = (name: string, item: string): Tensor | undefined => tensors.get(`${name}/${item}`) as Tensor | undefined;

const BACKENDS: readonly [name: string, open: () => Promise<GradientBackend>][] = [
  ['reference', async () => createReferenceGradients()],
  [
    'wasm',
    async () =>
      (await import('../src/backends/wasm/wasm-gradients.js')).createWasmGradients(
        await (await import('../src/backends/wasm/builds.js')).openWasmBackend(),
      ),
  ],
  ...[false, true].map((hardware): (typeof BACKENDS)[number] => [
    hardware ? 'webgpu-hardware' : 'webgpu',
    async () =>
      (await import('../src/backends/webgpu/webgpu-gradients.js')).createWebgpuGradients(
        await nodeGpuDevice(),
        (await import('../src/backends/webgpu/shader-texts.js')).default,
        true,
        hardware,
      ),
  ]),
];

/** Sums of some hundred products: 2e-5 of the largest, far above f32 rounding and far below any wrong tap. */
function expectClose(
  got: { data: Float32Array; shape: readonly number[] },
  want: Tensor | undefined,
  what: string,
): void {
  expect(got.shape, what).toEqual(want!.shape);
  const largest = want!.data.reduce((max, v) => Math.max(max, Math.abs(v)), 1e-3);
  const worst = want!.data.reduce((max, v, i) => Math.max(max, Math.abs(v - got.data[i])), 0);
  expect(worst / largest, what).toBeLessThan(2e-5);
}

describe.each(BACKENDS)('%s', (_, open) => {
  let backend: GradientBackend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend?.dispose());

  const named = (kind: string) => cases.filter(({ name }) => name.startsWith(`${kind} `));
  it.each(named('reassemble'))('$name is autograd’s', async ({ name, params }) => {
    const [features, kernels, gradient] = ['features', 'kernels', 'gradient'].map((item) => get(name, item)!) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const by = await reassemblyGradients(backend, [features, kernels, gradient], params, params.padding);
    expectClose(by.features, get(name, 'by.features'), 'features');
    expectClose(by.kernels, get(name, 'by.kernels'), 'kernels');
  });

  it.each(named('module'))('$name is autograd’s, by x and by every weight', async ({ name, params }) => {
    const conv = (stage: string): ConvParameters | undefined => {
      const [weights, bias] = ['weights', 'bias'].map((item) => get(name, `${stage}.${item}`));
      return weights && { weights, bias, ghost: conv(`${stage}.ghost`) };
    };
    const weights = { compress: conv('compress'), encode: conv('encode')!, out: conv('out') };
    const by = await moduleGradients(backend, checkModule(weights, params))(get(name, 'x')!, get(name, 'gradient')!);
    expectClose(by.x, get(name, 'by.x'), 'x');
    let compared = 1;
    const compare = (stage: string, got: ConvGradients | undefined): void => {
      expect(Boolean(got), stage).toBe(Boolean(get(name, `${stage}.weights`)));
      if (!got) return;
      expectClose(got.weights, get(name, `by.${stage}.weights`), `${stage}.weights`);
      expect(Boolean(got.bias), stage).toBe(Boolean(get(name, `${stage}.bias`)));
      if (got.bias) expectClose(got.bias, get(name, `by.${stage}.bias`), `${stage}.bias`);
      compared += got.bias ? 2 : 1;
      compare(`${stage}.ghost`, got.ghost);
    };
    compare('compress', by.compress);
    compare('encode', by.encode);
    compare('out', by.out);
    expect(compared).toBe([...tensors.keys()].filter((key) => key.startsWith(`${name}/by.`)).length);
  });

  it('of mmcv’s test vectors is what mmcv computed', async () => {
    const vectors = (name: string, shape: Shape): Tensor => {
      const bytes = readFileSync(new URL(`./golden/mmcv-carafe/${name}.bin`, import.meta.url));
      return { data: new Float32Array(new Uint8Array(bytes).buffer), shape };
    };
    const ones: Tensor = { data: new Float32Array(2 * 64 * 36).fill(1), shape: [2, 64, 6, 6] };
    const inputs = [vectors('feat', [2, 64, 3, 3]), vectors('mask', [2, 100, 6, 6]), ones] as const;
    const by = await reassemblyGradients(backend, inputs, { scale: 2, kUp: 5, groups: 4 }, 'zero');
    expectClose(by.features, vectors('feat-grad', [2, 64, 3, 3]), 'features');
    expectClose(by.kernels, vectors('mask-grad', [2, 100, 6, 6]), 'kernels');
  });
});

describe('the entry', () => {
  const x = randomTensor([1, 4, 5, 6], 1);
  const kernels = randomTensor([1, 9, 10, 12], 2);
  const gradient = randomTensor([1, 4, 10, 12], 3);
  const window = { scale: 2, kUp: 3 };

  it('carafeBackward: the loss changes as it says (a directional derivative)', async () => {
    const by = await carafeBackward(x, kernels, gradient, { ...window, backend: 'wasm' });
    const loss = async (step: number): Promise<number> => {
      const moved = (t: Tensor, seed: number): Tensor => ({
        ...t,
        data: t.data.map((v, i) => v + step * directions[seed].data[i]),
      });
      const y = await carafe(moved(x, 0), moved(kernels, 1), { ...window, backend: 'reference' });
      return y.data.reduce((sum, v, i) => sum + v * gradient.data[i], 0);
    };
    const directions = [randomTensor([1, 4, 5, 6], 4), randomTensor([1, 9, 10, 12], 5)];
    const slope = ((await loss(1e-2)) - (await loss(-1e-2))) / 2e-2; // the loss is bilinear: exact but for rounding
    const said = [by.features, by.kernels].reduce(
      (sum, { data }, n) => sum + data.reduce((s, v, i) => s + v * directions[n].data[i], 0),
      0,
    );
    expect(Math.abs(slope - said)).toBeLessThan(1e-3 * Math.max(1, Math.abs(said)));
  });

  it('createCarafe: forward as ever, backward in both layouts, and Disposed afterwards', async () => {
    const weights = { encode: { weights: randomTensor([36, 4, 3, 3], 6, 0.5) } };
    const module = await createCarafe(weights, { ...window, backend: 'wasm' });
    const last = await createCarafe(weights, { ...window, backend: 'reference', layout: 'NHWC' });
    expect(module.info).toMatchObject({ backend: 'wasm', thread: 'worker' });
    expect((await module.upsample(x)).shape).toEqual([1, 4, 10, 12]);
    const by = await module.backward(x, gradient);
    const nhwc = ({ data, shape: [n, c, h, w] }: Tensor): Tensor => ({
      data: data.map((_, i) => data[(i % c) * h * w + Math.floor(i / c)]),
      shape: [n, h, w, c],
    });
    const same = await last.backward(nhwc(x), nhwc(gradient));
    expect(same.x.shape).toEqual([1, 5, 6, 4]);
    expectClose(
      by.x,
      {
        data: nhwc({ data: same.x.data, shape: [1, 5, 6, 4] }).data.map(
          (_, i) => same.x.data[(i % 30) * 4 + Math.floor(i / 30)],
        ),
        shape: [1, 4, 5, 6],
      },
      'x',
    );
    expectClose(by.encode.weights, same.encode.weights, 'weights');
    expect(by).not.toHaveProperty('compress');
    expect(await rejection(module.backward(x, x))).toMatchObject({
      code: 'ShapeMismatch',
      message: expect.stringContaining('"gradient"'),
    });
    for (const one of [module, last]) one.dispose();
    expect(await rejection(module.backward(x, gradient))).toMatchObject({ code: 'Disposed' });
  });

  it('bad input is refused as carafe() refuses it; no images give no images', async () => {
    expect(await rejection(carafeBackward(x, kernels, x, window))).toMatchObject({ code: 'ShapeMismatch' });
    expect(await rejection(carafeBackward(x, gradient, gradient, window))).toMatchObject({ code: 'ShapeMismatch' });
    expect(await rejection(carafeBackward(x, kernels, gradient, { ...window, kUp: 2 }))).toMatchObject({
      code: 'InvalidOption',
    });
    expect(await rejection(carafeBackward(x, kernels, gradient, { ...window, backend: 'webgpu' }))).toMatchObject({
      code: 'BackendUnavailable',
    });
    const none = (c: number, h: number, w: number) => ({ data: new Float32Array(0), shape: [0, c, h, w] });
    expect(await carafeBackward(none(4, 5, 6), none(9, 10, 12), none(4, 10, 12), window)).toMatchObject({
      features: { shape: [0, 4, 5, 6] },
    });
  });
});
