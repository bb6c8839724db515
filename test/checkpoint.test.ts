// loadCarafe on files that PyTorch wrote (training/golden_checkpoints.py): every family's module, loaded and run on
// every backend, within the computed bound of what PyTorch computed in float64.
import { readFileSync } from 'node:fs';
import { createCarafe, type LoadCarafeOptions, listCarafe, loadCarafe, saveCarafe } from 'carafe-web';
import { describe, expect, it } from 'vitest';
import { checkModule } from '../src/api/module-options.js';
import type { Backend } from '../src/backends/backend.js';
import type { Shape } from '../src/core/tensor.js';
import { carafeStages } from '../src/engine/carafe.js';
import { upsample } from '../src/engine/networks/carafe-pack.js';
import { type ModelTensor, parseSafetensors } from '../src/models/safetensors.js';
import { rejection } from './api/support.js';
import { allBackends } from './backends.js';
import { ARITHMETIC, bound, boundConv } from './conformance/bounds.js';
import { assertWithin } from './conformance/suite.js';

const folder = new URL('./golden/checkpoints/', import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));

const FAMILIES: readonly {
  file: string;
  family: string;
  prefixes: string[];
  options?: LoadCarafeOptions;
  assumed: RegExp;
}[] = [
  { file: 'mmcv', family: 'mmcv', prefixes: [''], assumed: /^$/ },
  { file: 'mmcv-bf16', family: 'mmcv', prefixes: [''], assumed: /^$/ },
  {
    file: 'mmdet', // DataParallel's prefix, metadata with numpy scalars, groups, no bias, kEnc 1
    family: 'mmcv',
    prefixes: ['neck.upsample_modules.0.', 'neck.upsample_modules.1.', 'roi_head.mask_head.upsample.'],
    assumed: /^$/,
  },
  { file: 'xialipku', family: 'xialipku', prefixes: [''], assumed: /activation relu.*eps 0.00001/ },
  { file: 'yolo', family: 'yolo', prefixes: ['model.11.'], assumed: /activation silu.*eps 0.001/ }, // fp16, in `ema`
  {
    file: 'yolo-hardswish',
    family: 'yolo',
    prefixes: ['model.4.'],
    options: { activation: 'hardswish', eps: 1e-3 },
    assumed: /^$/,
  },
  { file: 'down-encoder-out', family: 'down-encoder-out', prefixes: [''], assumed: /^$/ },
  { file: 'down-encoder-out-5', family: 'down-encoder-out', prefixes: ['up1.'], assumed: /^$/ }, // f64, kEnc 3
  { file: 'ghost', family: 'ghost', prefixes: ['model.13.'], assumed: /activation silu.*eps 0.001/ },
];

describe('checkpoints of every family', () => {
  for (const { file, family, prefixes, options, assumed } of FAMILIES) {
    it(`${file}: every layer is found, and nothing else`, async () => {
      const { layers, refused } = await listCarafe(read(`${file}.pth`));
      expect(layers.map(({ prefix }) => prefix)).toEqual(prefixes);
      expect(layers.every((layer) => layer.family === family && layer.scale === 2)).toBe(true);
      expect(refused).toEqual([]);
    });

    for (const prefix of prefixes) {
      const golden = parseSafetensors(read(`${file}.golden.safetensors`)).tensors;
      const [x, want] = ['x', 'y'].map((name) => golden.get(prefix + name) as ModelTensor);
      for (const { name, open } of allBackends) {
        it(`${file} "${prefix}" on ${name} is PyTorch's`, async () => {
          const loaded = await loadCarafe(read(`${file}.pth`), { ...options, prefix });
          expect(loaded.family).toBe(family);
          expect(loaded.assumed.join()).toMatch(assumed);
          const module = checkModule(loaded.weights, loaded.options);
          const backend: Backend = await open();
          const arithmetic = { ...ARITHMETIC[backend.name], parameters: 2 ** -24 }; // batch norm is folded in f64 and rounded
          const bounded = bound(
            (ops) =>
              upsample(
                ops,
                carafeStages({ conv: boundConv }, module),
                ops.input(x.data, x.shape as unknown as Shape),
                'NCHW',
              ),
            arithmetic,
          );
          const stages = carafeStages(backend, module);
          const got = await backend.run((ops) =>
            upsample(ops, stages, ops.input(x.data, x.shape as unknown as Shape), 'NCHW'),
          );
          const { value, error } = bounded;
          const rounded = error.data.map((e, i) => e + 2 ** -23 * Math.abs(want.data[i])); // the golden value is rounded too
          const [shape, data] = [value.shape, want.data];
          assertWithin(got, { shape, value: { data, shape }, error: { data: rounded, shape } });
          backend.dispose();
        });
      }
    }
  }

  it('through createCarafe, with a result of other channels than the input', async () => {
    const golden = parseSafetensors(read('down-encoder-out.golden.safetensors')).tensors;
    const { weights, options } = await loadCarafe(new Blob([read('down-encoder-out.pth') as BlobPart]));
    const module = await createCarafe(weights, { ...options, backend: 'wasm' });
    const { data, shape } = golden.get('x') as ModelTensor;
    const into = new Float32Array((golden.get('y') as ModelTensor).data.length);
    const y = await module.upsample({ data, shape: shape as unknown as Shape }, { into });
    expect(y.shape).toEqual([1, 8, 14, 10]);
    expect(Math.max(...y.data.map((v, i) => Math.abs(v - (golden.get('y') as ModelTensor).data[i])))).toBeLessThan(
      1e-4,
    );
    module.dispose();
  });
});

describe('a layer as people save it', () => {
  const found = async (file: string) => {
    const { layers, refused } = await listCarafe(read(`saved-${file}.pth`));
    return [...layers, ...refused].map(({ prefix }) => prefix);
  };

  for (const [symptom, file, prefix] of [
    ['arguments, dates, sets and sparse tensors beside it, protocol 2', 'protocol-2', 'neck.up.'],
    ['the same in protocol 3', 'protocol-3', 'neck.up.'],
    ['the same in protocol 4', 'protocol-4', 'neck.up.'],
    ['the same in protocol 5', 'protocol-5', 'neck.up.'],
    ['torch.compile put _orig_mod into the names', 'compiled', 'neck.up.'],
    ['FSDP put _fsdp_wrapped_module into the names', 'fsdp', 'neck.up.'],
    ['an averaged model counts in a scalar beside module.', 'averaged', 'neck.up.'],
    ['a score in a tensor stands beside the state_dict', 'score-beside', 'neck.up.'],
    ['ema holds counters, model the weights', 'ema-of-counters', 'neck.up.'],
    ['the weights are under a name of the script', 'by-name', 'detector.neck.up.'],
  ] as const)
    it(symptom, async () => expect(await found(file)).toEqual([prefix]));

  it('no checkpoint at all: the message says how the file begins', async () => {
    const pointer = new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:0');
    expect(await rejection(listCarafe(pointer))).toMatchObject({
      code: 'ModelInvalid',
      message: expect.stringMatching(/a .safetensors, .pth or .pt for "file", got ".*version https:\/\/git-lfs/),
    });
    expect((await rejection(listCarafe(new Uint8Array([0x80, 4, 0x95])))).message).toMatch(/before torch 1\.6/);
  });
});

describe('what is not CARAFE, or not said which', () => {
  it('unfold without dilation and FreqFusion are refused with the reason', async () => {
    expect(await rejection(loadCarafe(read('undilated.pth')))).toMatchObject({
      code: 'ModelInvalid',
      message: expect.stringMatching(/unfold without dilation.*another operator/),
    });
    expect(await rejection(loadCarafe(read('freqfusion.pth')))).toMatchObject({
      code: 'ModelInvalid',
      message: expect.stringMatching(/"fusion.", got FreqFusion/),
    });
  });

  it('several layers and no prefix: the message names them', async () => {
    const error = await rejection(loadCarafe(read('mmdet.pth')));
    expect(error).toMatchObject({
      code: 'ModelInvalid',
      message: expect.stringContaining('"neck.upsample_modules.1."'),
    });
  });

  it('a prefix that is not there: the message names those that are', async () => {
    const error = await rejection(loadCarafe(read('mmdet.pth'), { prefix: 'neck.upsample_modules.7' }));
    expect(error.message).toMatch(/one of "neck.upsample_modules.0.".*got "neck.upsample_modules.7"/);
  });

  it('a prefix may come without its dot', async () => {
    expect((await loadCarafe(read('mmdet.pth'), { prefix: 'neck.upsample_modules.1' })).options.groups).toBe(2);
  });

  it('a source that is no bytes, Blob or URL', async () => {
    for (const source of ['x.pth', null, 7])
      expect(await rejection(loadCarafe(source as never))).toMatchObject({ code: 'InvalidOption' });
    for (const place of [new URL('file:///nowhere.pth'), 'file:///nowhere.pth'])
      expect(await rejection(loadCarafe(place))).toMatchObject({ code: 'ModelInvalid' });
    for (const layer of [undefined, null, {}])
      expect(await rejection(saveCarafe(layer as never))).toMatchObject({ code: 'InvalidOption' });
  });
});

describe("mmcv's own test vectors", () => {
  const vectors = (name: string, shape: Shape): { data: Float32Array; shape: Shape } => {
    const bytes = readFileSync(new URL(`./golden/mmcv-carafe/${name}.bin`, import.meta.url));
    return { data: new Float32Array(new Uint8Array(bytes).buffer), shape };
  };
  const features = vectors('feat', [2, 64, 3, 3]);
  const masks = vectors('mask', [2, 100, 6, 6]);
  const output = vectors('output', [2, 64, 6, 6]);

  for (const backend of ['reference', 'wasm'] as const) {
    it(`kUp 5, 4 groups, scale 2, on ${backend}`, async () => {
      const { carafe } = await import('carafe-web');
      const y = await carafe(features, masks, { scale: 2, kUp: 5, groups: 4, backend });
      expect(y.shape).toEqual(output.shape);
      expect(Math.max(...y.data.map((v, i) => Math.abs(v - output.data[i])))).toBeLessThan(2e-6); // theirs is f32 of a GPU
    });
  }
});
