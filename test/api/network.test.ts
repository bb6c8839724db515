// createNetwork on the built package: checkpoints by framework names, in a worker and inline, against PyTorch's outputs
// (training/golden_networks.py); and what is wrong with a checkpoint, by the name of the tensor.
import { readFileSync } from 'node:fs';
import { createNetwork, type NetworkName, type OptionsOfNetwork } from 'carafe-web/networks';
import { CarafeError } from 'carafe-web';
import { describe, expect, it } from 'vitest';
import type { Tensors } from '../../src/engine/networks/state-dict.js';
import { writeSafetensors } from '../../src/models/safetensors-writer.js';
import { parseSafetensors } from '../../src/models/safetensors.js';
import { drawnInputs, drawnTensors, type NetworkCase } from '../conformance/golden-networks.js';
import { goldenCases } from '../conformance/golden.js';
import { rejection } from './support.js';

const read = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, import.meta.url)));
const golden = read('../golden/networks.safetensors');
const { tensors } = parseSafetensors(golden);
const cases = new Map(goldenCases<NetworkCase>(golden).map(({ name, params }) => [name, params]));
const detector = read('../golden/checkpoints/detector.pth');

const safetensors = (state: Tensors): Uint8Array =>
  writeSafetensors({ tensors: new Map(Object.entries(state)), metadata: {} });

function expectOutputs(got: { data: Float32Array; shape: readonly number[] }[], name: string): void {
  const { outputs } = cases.get(name)!;
  expect(got.map(({ shape }) => shape)).toEqual(outputs);
  got.forEach(({ data }, i) => {
    const want = tensors.get(`${name}/y${i}`)!.data;
    const largest = Math.max(...want.map(Math.abs));
    expect(Math.max(...data.map((v, k) => Math.abs(v - want[k])))).toBeLessThan(1e-4 * largest);
  });
}

describe('a detector’s checkpoint', () => {
  it.each(['worker', 'inline'] as const)('runs in thread %s', async (thread) => {
    const fpn = await createNetwork('fpn', detector, { prefix: 'neck', backend: 'wasm', thread, workers: 1 });
    expect(fpn.info).toMatchObject({ backend: 'wasm', thread });
    const inputs = drawnInputs(cases.get('fpn carafe')!);
    const both = await Promise.all([fpn.run(inputs), fpn.run(inputs)]);
    for (const outputs of both) expectOutputs(outputs, 'fpn carafe');
    fpn.dispose();
    expect((await rejection(fpn.run(inputs))).code).toBe('Disposed');
    const head = await createNetwork('mask-head', detector, { prefix: 'roi_head.mask_head.', backend: 'wasm', thread });
    expectOutputs(await head.run(drawnInputs(cases.get('mask head carafe')!)), 'mask head carafe');
    const [none] = await head.run([{ data: new Float32Array(0), shape: [0, 6, 14, 14] }]); // an image without regions
    expect(none.shape).toEqual([0, 3, 28, 28]);
    head.dispose();
  });

  it('runs on a wasm build of the caller’s, if it is that of networks', async () => {
    const built = (name: string): URL => new URL(`../../dist/${name}`, import.meta.url);
    const options = { prefix: 'neck', thread: 'inline', backend: 'wasm' } as const;
    const fpn = await createNetwork('fpn', detector, { ...options, wasm: built('carafe-networks-simd.wasm') });
    expectOutputs(await fpn.run(drawnInputs(cases.get('fpn carafe')!)), 'fpn carafe');
    fpn.dispose();
    const { code } = await rejection(createNetwork('fpn', detector, { ...options, wasm: built('carafe-simd.wasm') }));
    expect(code).toBe('InvalidOption');
  });

  it('runs on the reference, in NHWC', async () => {
    const params = cases.get('fpn carafe')!;
    const inputs = drawnInputs(params).map(({ data, shape: [n, c, h, w] }) => ({
      data: data.map((_, i) => data[(i % c) * h * w + Math.floor(i / c)]),
      shape: [n, h, w, c],
    }));
    const fpn = await createNetwork('fpn', detector, { prefix: 'neck', backend: 'reference', layout: 'NHWC' });
    const outputs = await fpn.run(inputs);
    fpn.dispose();
    const planar = outputs.map(({ data, shape: [n, h, w, c] }) => ({
      data: data.map((_, i) => data[(i % (h * w)) * c + Math.floor(i / (h * w))]),
      shape: [n, c, h, w],
    }));
    expectOutputs(planar, 'fpn carafe');
  });
});

describe('every architecture by its options', () => {
  it.each(['upernet ppm fpn fuse', 'global-local deconv', 'partial-conv carafe', 'fpn dysample'])(
    '%s',
    async (name) => {
      const params = cases.get(name)!;
      const options = { ...params.settings, backend: 'wasm', thread: 'inline' } as OptionsOfNetwork[NetworkName];
      const net = await createNetwork(params.network, safetensors(drawnTensors(params)), options);
      expectOutputs(await net.run(drawnInputs(params)), name);
      net.dispose();
    },
  );
});

describe('what is wrong is named', () => {
  const fpn = cases.get('fpn norm, activation')!;
  const state = drawnTensors(fpn);
  const opened = (changed: Tensors, options = {}) =>
    rejection(createNetwork('fpn', safetensors(changed), { backend: 'wasm', thread: 'inline', ...options }));
  const without = (name: string) => Object.fromEntries(Object.entries(state).filter(([key]) => key !== name));

  it.each([
    ['lateral_convs.1.conv.weight', 'lateral_convs.1.conv.weight'],
    ['fpn_convs.2.bn.running_mean', 'fpn_convs.2.bn.running_mean'],
    ['upsample_modules.1.content_encoder.weight', 'upsample_modules.1.content_encoder.weight'],
  ])('a checkpoint without %s', async (name, said) => {
    const { code, message } = await opened(without(name));
    expect(code).toBe('ModelInvalid');
    expect(message).toContain(said);
  });

  it('a tensor of another shape', async () => {
    const { code, message } = await opened({
      ...state,
      'lateral_convs.0.conv.weight': { data: new Float32Array(7 * 6), shape: [7, 6, 1, 1] },
    });
    expect(code).toBe('ModelInvalid');
    expect(message).toMatch(/\[8,6,1,1\] for "lateral_convs\.0\.conv\.weight", got \[7, 6, 1, 1\]/);
  });

  it('NaN', async () => {
    const { data, shape } = state['fpn_convs.1.conv.weight'];
    const spoilt = data.slice();
    spoilt[5] = NaN;
    const { code, message } = await opened({ ...state, 'fpn_convs.1.conv.weight': { data: spoilt, shape } });
    expect([code, message]).toEqual(['ModelInvalid', expect.stringContaining('fpn_convs.1.conv.weight')]);
  });

  it('integers', async () => {
    const name = 'lateral_convs.0.conv.weight';
    const text = Buffer.from(safetensors(state)).toString('latin1');
    const file = Buffer.from(text.replace(`"${name}":{"dtype":"F32"`, `"${name}":{"dtype":"I32"`), 'latin1');
    const { code, message } = await rejection(createNetwork('fpn', file, { backend: 'wasm', thread: 'inline' }));
    expect([code, message]).toEqual(['ModelInvalid', expect.stringContaining(`"${name}.dtype", got "I32"`)]);
  });

  it('no prefix where there is one: the message names a tensor that has it', async () => {
    const { message } = await rejection(createNetwork('fpn', detector, { backend: 'wasm', thread: 'inline' }));
    expect(message).toContain('only neck.lateral_convs.0.');
  });

  it('an upsampler that the checkpoint has not', async () => {
    const { code, message } = await opened(state, { upsampler: 'dysample' });
    expect([code, message]).toEqual(['ModelInvalid', expect.stringContaining('upsample_modules.0.offset.weight')]);
  });

  it('a prefix that is not there, options, inputs', async () => {
    expect(await opened(state, { prefix: 'neck' })).toMatchObject({ code: 'ModelInvalid' });
    expect(await opened(state, { upsampler: 'bicubic' })).toMatchObject({ code: 'InvalidOption' });
    const wrong = createNetwork('fpm' as 'fpn', safetensors(state));
    expect(await rejection(wrong)).toBeInstanceOf(CarafeError);
    const net = await createNetwork('fpn', safetensors(state), {
      backend: 'wasm',
      thread: 'inline',
      activation: 'relu',
    });
    const inputs = drawnInputs(fpn);
    for (const [given, said] of [
      [inputs.slice(1), 'inputs'],
      [[inputs[1], inputs[1], inputs[2]], 'inputs[0]'],
      [[inputs[0], { data: new Float32Array(8), shape: [1, 8, 1, 1] }, inputs[2]], 'inputs[1]'],
    ] as const) {
      const { code, message } = await rejection(net.run(given));
      expect([code, message]).toEqual(['ShapeMismatch', expect.stringContaining(`"${said}"`)]);
    }
    expectOutputs(await net.run(inputs), 'fpn norm, activation');
    net.dispose();
  });
});
