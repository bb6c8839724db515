// carafe-web/onnx in ONNX Runtime: modules written as graphs against the reference, and models that PyTorch exported
// (training/golden_checkpoints.py), rewritten, against what PyTorch computed.
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CarafeModuleOptions, CarafeWeights } from 'carafe-web';
import { parseSafetensors } from '../src/models/safetensors.js';
import { carafeToOnnx, rewriteCarafe } from 'carafe-web/onnx';
import { decode, encode, messages, texts } from '../src/onnx/protobuf.js';
import { randomTensor } from './api/support.js';

const { Worker } = globalThis;
beforeAll(() => Object.assign(ort.env.wasm, { numThreads: 1, proxy: false }));
afterAll(() => {
  if (!Worker) delete (globalThis as Partial<typeof globalThis>).Worker; // onnxruntime-web sets it to that of worker_threads
});

async function run(model: Uint8Array, { data, shape }: { data: Float32Array; shape: readonly number[] }) {
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  const results = await session.run({ x: new ort.Tensor('float32', data, shape) });
  await session.release();
  const y = results[session.outputNames[0]];
  return { data: y.data as Float32Array, shape: [...y.dims] };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((max, v, i) => Math.max(max, Number.isNaN(v) ? Infinity : Math.abs(v - b[i])), 0);
}

/** f32 sums of some hundred products of order 1. */
const TOLERANCE = 2e-5;

describe('a module as ONNX', () => {
  const conv = (cOut: number, cIn: number, k: number, seed: number) => ({
    weights: randomTensor([cOut, cIn, k, k], seed, 2 / Math.sqrt(cIn * k * k)),
    bias: { data: randomTensor([1, 1, 1, cOut], seed + 1).data, shape: [cOut] },
  });
  const cases: Record<string, [options: CarafeModuleOptions, kEnc?: number]> = {
    default: [{}],
    'scale 1': [{ scale: 1 }],
    'scale 3, kUp 3, kEnc 1': [{ scale: 3, kUp: 3 }, 1],
    'kUp 1': [{ kUp: 1 }, 1],
    'groups 4': [{ groups: 4 }],
    'dilation 2': [{ dilation: 2 }],
    sigmoid: [{ normalizer: 'sigmoid' }],
    'sigmoid-normalized': [{ normalizer: 'sigmoid-normalized' }],
    replicate: [{ padding: 'replicate' }],
    reflect: [{ padding: 'reflect' }],
    relu: [{ activation: 'relu' }],
    'leaky-relu': [{ activation: 'leaky-relu', slope: 0.2 }],
    silu: [{ activation: 'silu' }],
    hardswish: [{ activation: 'hardswish' }],
  };
  for (const [name, [options, kEnc = 3]] of Object.entries(cases)) {
    it(`${name} gives what the reference gives, for any n, h and w`, async () => {
      const { createCarafe } = await import('carafe-web');
      const { scale = 2, kUp = 5, groups = 1 } = options;
      const weights: CarafeWeights = {
        compress: conv(6, 8, 1, 1),
        encode: conv(groups * kUp ** 2 * scale ** 2, 6, kEnc, 3),
      };
      const model = carafeToOnnx(weights, options);
      const module = await createCarafe(weights, { ...options, backend: 'reference', thread: 'inline' });
      for (const shape of [
        [2, 8, 5, 7],
        [1, 8, 4, 3],
      ] as const) {
        const x = randomTensor([...shape], 7);
        const [want, got] = [await module.upsample(x), await run(model, x)];
        expect(got.shape).toEqual(want.shape);
        expect(largestDifference(got.data, want.data)).toBeLessThan(TOLERANCE);
      }
      module.dispose();
    });
  }

  it('without a compressor and without biases', async () => {
    const { createCarafe } = await import('carafe-web');
    const weights: CarafeWeights = { encode: { weights: conv(100, 8, 3, 5).weights } };
    const module = await createCarafe(weights, { backend: 'reference', thread: 'inline' });
    const x = randomTensor([1, 8, 5, 5], 3);
    expect(largestDifference((await run(carafeToOnnx(weights), x)).data, (await module.upsample(x)).data)).toBeLessThan(
      TOLERANCE,
    );
    module.dispose();
  });
});

describe('a model that PyTorch exported', () => {
  const folder = new URL('./golden/checkpoints/', import.meta.url);
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));
  const types = (model: Uint8Array): string[] =>
    messages(messages(decode(model), 7)[0], 1).flatMap((node) => texts(node, 4));

  for (const [name, kind, window] of [
    ['einsum', 'einsum', { scale: 2, kUp: 5, groups: 1 }],
    ['einsum-dynamic', 'einsum', { scale: 2, kUp: 3, groups: 1 }],
    ['mmcv', 'mmcv', { scale: 2, kUp: 5, groups: 2 }],
  ] as const) {
    it(`${name}: CARAFE is found and replaced, the result is PyTorch's`, async () => {
      const { tensors } = parseSafetensors(read(`${name}.onnx.golden.safetensors`));
      const { model, found } = rewriteCarafe(read(`${name}.onnx`));
      expect(found).toMatchObject([{ kind, ...window }]);
      const got = await run(model, tensors.get('x')!);
      expect(got.shape).toEqual(tensors.get('y')!.shape);
      expect(largestDifference(got.data, tensors.get('y')!.data)).toBeLessThan(TOLERANCE);
    });
  }

  it('nothing of the unfold is left, and nothing is found a second time', () => {
    const { model } = rewriteCarafe(read('einsum.onnx'));
    expect([...new Set(types(read('einsum.onnx')))]).toEqual(expect.arrayContaining(['Einsum', 'Resize', 'Gather']));
    expect([...new Set(types(model))].sort().join()).toBe(
      'Add,Concat,Conv,DepthToSpace,Mul,Pad,Reshape,Shape,Sigmoid,Slice,Softmax,SpaceToDepth,Transpose',
    );
    expect(() => rewriteCarafe(model)).toThrow(/MMCVCARAFE, or nearest, unfold and einsum/);
  });

  it('an unfold without dilation is refused: it is another operator', () => {
    expect(() => rewriteCarafe(read('undilated.onnx'))).toThrow(/dilation 2, the scale.*got "dilation 1"/);
  });

  it('what is not ONNX, is cut short or of an older opset is ModelInvalid', () => {
    const whole = read('einsum.onnx');
    const old = encode(
      decode(whole).map((field) => (field.number === 8 ? { ...field, value: Uint8Array.of(16, 11) } : field)),
    );
    for (const bytes of [new Uint8Array(0), Uint8Array.of(255, 255, 255), whole.subarray(0, 1000), old])
      expect(() => rewriteCarafe(bytes)).toThrow(expect.objectContaining({ code: 'ModelInvalid' }));
    expect(() => rewriteCarafe(old)).toThrow(/opset_version=13.*got 11/s);
    expect(() => rewriteCarafe('model.onnx' as never)).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
  });

  it('decoding and encoding keeps every byte', () => {
    const bytes = read('mmcv.onnx');
    expect(Buffer.compare(Buffer.from(encode(decode(bytes))), Buffer.from(bytes))).toBe(0);
  });
});
