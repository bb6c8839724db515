// Golden vectors from PyTorch in f64 (training/golden.py), independent of our reference. They are stored as f32: to
// each computed bound comes the rounding of the expected value. Like suite.ts it knows no test runner and no platform;
// files come as bytes.
import {
  type Backend,
  type ColourLines,
  type ConvWeights,
  type DeviceConv,
  type DevicePixels,
  type DeviceTensor,
  type Ops,
  PLAIN,
} from '../../src/backends/backend.js';
import type { Activation, Normalizer, Padding, ResizeMode } from '../../src/core/shapes.js';
import type { RawImage, Shape, Tensor } from '../../src/core/tensor.js';
import { type CarafeLuma, loadCarafeLuma, upscaleLuma } from '../../src/engine/networks/carafe-luma.js';
import { readDial } from '../../src/models/dial.js';
import { type ModelTensor, parseSafetensors } from '../../src/models/safetensors.js';
import { ARITHMETIC, type Arithmetic, bound, boundConv, type Bounded, boundPixels } from './bounds.js';
import { assertWithin, poison, type Runner } from './suite.js';

interface Params {
  kUp: number;
  scale: number;
  groups: number;
  normalizer: Normalizer;
  padding: Padding;
  dilation: number;
  activation: Activation;
  slope: number;
  height: number;
  width: number;
  mode: ResizeMode;
  cubicA: number;
  crop: readonly [x: number, y: number, width: number, height: number];
}

/** The tensors of one case, all NCHW, by name. */
interface Vectors {
  get(name: string): ModelTensor;
  find(name: string): ModelTensor | undefined;
}

type Check = TensorCheck | PixelsCheck;

interface PixelsCheck {
  readonly wanted: string;
  readonly pixels: (ops: Ops) => DevicePixels;
}

interface TensorCheck {
  readonly wanted: string;
  readonly convs: readonly ConvWeights[];
  readonly program: (ops: Ops, convs: readonly DeviceConv[]) => DeviceTensor;
  readonly parameters?: number;
}

const upload = (ops: Ops, { data, shape }: ModelTensor): DeviceTensor =>
  ops.nchwToNhwc(ops.input(data, shape as unknown as Shape));

/** The rows that core/shapes.ts describes, from kernels [n, groups*kUp^2, h*s, w*s]. */
const rowsOf = (ops: Ops, kernels: ModelTensor, scale: number): DeviceTensor =>
  ops.pixelUnshuffle(upload(ops, kernels), scale);

function convOf(vectors: Vectors, weightsName: string, biasName: string): ConvWeights {
  const {
    data,
    shape: [cOut, cIn, k],
  } = vectors.get(weightsName);
  const bias = vectors.find(biasName)?.data;
  return { weights: data, cOut, cIn, k, ...(bias ? { bias } : {}) };
}

/** For each file of vectors of an op the fewest cases it may have, cases it must have, and how a case runs. */
export const FILES: Record<string, { atLeast: number; named: string[]; checks: (p: Params, v: Vectors) => Check[] }> = {
  conv2d: {
    atLeast: 48,
    named: ['kernel-5', 'dilation-3', 'no-bias', 'residual', 'silu', 'hardswish', 'leaky-relu-slope-0.3', 'batch-2'],
    checks: ({ dilation, activation, slope }, v) => [
      {
        wanted: 'y',
        convs: [convOf(v, 'weights', 'bias')],
        program: (ops, [conv]) => {
          const residual = v.find('residual');
          return ops.nhwcToNchw(
            ops.conv2d(upload(ops, v.get('x')), conv, {
              dilation,
              activation,
              slope,
              ...(residual ? { residual: upload(ops, residual) } : {}),
            }),
          );
        },
      },
    ],
  },
  'pixel-shuffle': {
    atLeast: 16,
    named: [],
    checks: ({ scale }, v) => [
      { wanted: 'y', convs: [], program: (ops) => ops.nhwcToNchw(ops.pixelShuffle(upload(ops, v.get('x')), scale)) },
      { wanted: 'x', convs: [], program: (ops) => ops.nhwcToNchw(ops.pixelUnshuffle(upload(ops, v.get('y')), scale)) },
    ],
  },
  'normalize-kernels': {
    atLeast: 36,
    named: ['softmax-large', 'sigmoid-large', 'sigmoid-normalized-large', 'softmax-groups-3', 'softmax-kernel-7'],
    checks: ({ kUp, groups, normalizer }, v) => [
      {
        wanted: 'y',
        convs: [],
        program: (ops) =>
          ops.nhwcToNchw(ops.normalizeKernels(upload(ops, v.get('x')), { scale: 1, kUp, groups }, normalizer)),
      },
    ],
  },
  reassemble: {
    atLeast: 49,
    named: [
      'zero',
      'replicate',
      'reflect',
      'groups-c',
      'reflect-1x1-kernel-5',
      'reflect-2x3-kernel-7',
      'zero-scale-4',
      'zero-scale-1',
    ],
    checks: (p, v) => [
      {
        wanted: 'y',
        convs: [],
        program: (ops) =>
          ops.nhwcToNchw(
            ops.reassemble(
              upload(ops, v.get('features')),
              rowsOf(ops, v.get('kernels'), p.scale),
              p,
              p.padding,
              'NHWC',
            ),
          ),
      },
    ],
  },
  resize: {
    atLeast: 39,
    named: ['bicubic-0.5-4x5-to-8x10', 'bicubic-0.75-5x7-to-8x9', 'bilinear-9x11-to-4x3'],
    checks: ({ height, width, mode, cubicA }, v) => [
      {
        wanted: 'y',
        convs: [],
        program: (ops) => ops.nhwcToNchw(ops.resize(upload(ops, v.get('x')), height, width, mode, cubicA)),
      },
    ],
  },
  'carafe-pack': {
    atLeast: 28,
    named: [
      'default',
      'groups-2',
      'dilation-2',
      'scale-1',
      'no-compress',
      'no-bias',
      'size-1x1',
      'padding-replicate',
      'conv-bn-silu',
      'conv-bn-silu-kernel-3',
    ],
    checks: (p, v) => {
      const compress = v.find('compress.weights') ? [convOf(v, 'compress.weights', 'compress.bias')] : [];
      const convs = [...compress, convOf(v, 'encode.weights', 'encode.bias')];
      const rows = (ops: Ops, features: DeviceTensor, devices: readonly DeviceConv[]): DeviceTensor => {
        const compressed = compress.length
          ? ops.conv2d(features, devices[0], { ...PLAIN, activation: p.activation, slope: p.slope ?? 0.1 })
          : features;
        return ops.normalizeKernels(
          ops.conv2d(compressed, devices.at(-1)!, { ...PLAIN, dilation: p.dilation }),
          p,
          p.normalizer,
        );
      };
      // The module was run as Conv + BatchNorm in f64; its folded weights are rounded to f32.
      const parameters = v.find('unfolded/comp.conv.weight') ? 2 ** -24 : 0;
      return [
        {
          wanted: 'kernels',
          convs,
          parameters,
          program: (ops, devices) =>
            ops.nhwcToNchw(ops.pixelShuffle(rows(ops, upload(ops, v.get('x')), devices), p.scale)),
        },
        ...(['NCHW', 'NHWC'] as const).map(
          (layout): TensorCheck => ({
            wanted: 'y',
            convs,
            parameters,
            program: (ops, devices) => {
              const module = {
                ...p,
                slope: p.slope ?? 0.1,
                encode: devices.at(-1)!,
                ...(compress.length && { compress: devices[0] }),
              };
              const { data, shape } = v.get('x');
              return layout === 'NCHW'
                ? ops.carafePack(ops.input(data, shape as unknown as Shape), module, layout)
                : ops.nhwcToNchw(ops.carafePack(upload(ops, v.get('x')), module, layout));
            },
          }),
        ),
      ];
    },
  },
  'mean-gains': {
    atLeast: 14,
    named: ['scale-4', 'batch-2', 'checkerboard-too-dark', 'checkerboard-too-bright', 'black', 'white'],
    checks: (_, v) => [
      {
        wanted: 'y',
        convs: [],
        program: (ops) => ops.nhwcToNchw(ops.meanGains(upload(ops, v.get('big')), upload(ops, v.get('small')))),
      },
    ],
  },
  'colour-lines': {
    atLeast: 10,
    named: ['red-on-white', 'blue-on-black', 'greys', 'flat', 'noise-1x1'],
    checks(_, v) {
      const lines = (ops: Ops): ColourLines => {
        const pixels = image(ops, v, 'pixels');
        const { luma, chroma } = ops.pixelsToPlanes(pixels, false);
        return ops.colourLines(pixels, luma, chroma);
      };
      return [
        { wanted: 'slopes', convs: [], program: (ops) => ops.nhwcToNchw(lines(ops).slopes) },
        ...(['low', 'high'] as const).map((wanted): Check => ({ wanted, pixels: (ops) => lines(ops)[wanted] })),
      ];
    },
  },
  'planes-to-pixels': {
    atLeast: 15,
    named: ['scale-2', 'scale-3-alpha', 'crop-between-source-pixels', 'size-1x1'],
    checks: ({ crop: [x, y, width, height] }, v) => [
      {
        wanted: 'pixels',
        pixels(ops) {
          const [luma, base, gains, chroma, slopes] = ['luma', 'base', 'gains', 'chroma', 'slopes'].map((name) =>
            upload(ops, v.get(name)),
          );
          const lines = { slopes, low: image(ops, v, 'low'), high: image(ops, v, 'high') };
          return ops.planesToPixels({ luma, base, gains, chroma, lines }, { x, y, width, height });
        },
      },
    ],
  },
};

const image = (ops: Ops, vectors: Vectors, name: string): DevicePixels => ops.inputPixels(toImage(vectors.get(name)));

/** [1, 4, h, w] of values 0..255, rounded half up. */
function toImage({ data, shape: [, , height, width] }: ModelTensor): RawImage {
  const size = width * height;
  const bytes = Uint8ClampedArray.from({ length: 4 * size }, (_, i) =>
    Math.floor(data[(i % 4) * size + (i >> 2)] + 0.5),
  );
  return { data: bytes, width, height };
}

/** A file of vectors: its cases by name. */
export function goldenCases<P = Params>(bytes: Uint8Array): { name: string; params: P }[] {
  return JSON.parse(parseSafetensors(bytes).metadata.cases);
}

/** Registers a test for each case of a file of FILES. `open` is called once. */
export function goldenOp(
  file: string,
  bytes: Uint8Array,
  open: () => Promise<Backend>,
  { test }: Runner,
  arithmetic?: Arithmetic,
): void {
  const { tensors } = parseSafetensors(bytes);
  let opened: Promise<Backend> | undefined;
  for (const { name, params } of goldenCases(bytes)) {
    const find = (key: string): ModelTensor | undefined => tensors.get(`${name}/${key}`);
    const vectors: Vectors = {
      find,
      get(key) {
        const tensor = find(key);
        if (!tensor) throw new Error(`Expected ${name}/${key} in ${file}, which has none`);
        return tensor;
      },
    };
    test(name, async () => {
      const backend = await (opened ??= open());
      for (const check of FILES[file].checks(params, vectors))
        await checkVector(backend, check, vectors.get(check.wanted), arithmetic ?? ARITHMETIC[backend.name]);
    });
  }
}

/** The name of each network's cases, by the file of its weights. */
export interface NetworkParams {
  readonly halo: number;
  readonly scale: number;
  readonly model: string;
  /** The position on its dial. */
  readonly restore: number;
}

/**
 * Registers a test for each case of the networks, on their shipped weights: rounding errors bounded at their worst
 * double with each layer, but a pixel may not be off by `maxError` in any case. Only the middle is compared: the border
 * of `halo` pixels is a tile's to cut off.
 */
export function goldenNetworks(
  bytes: Uint8Array,
  readModel: (file: string) => Uint8Array,
  open: () => Promise<Backend>,
  { test }: Runner,
  arithmetic?: Arithmetic,
  maxError = 0.5 / 255, // half a step of RGBA8
): void {
  const { tensors } = parseSafetensors(bytes);
  let opened: Promise<Backend> | undefined;
  for (const {
    name,
    params: { halo, scale, model, restore },
  } of goldenCases<NetworkParams>(bytes)) {
    test(name, async () => {
      const backend = await (opened ??= open());
      const file = readDial(parseSafetensors(readModel(model))).at(restore);
      const [y, wanted] = ['y_in', 'y'].map((key) => tensors.get(`${name}/${key}`)!);
      const padded = replicated(y, halo);
      const program =
        (net: CarafeLuma) =>
        (ops: Ops): DeviceTensor =>
          upscaleLuma(ops, net, ops.input(padded.data, padded.shape)).luma;
      const net = loadCarafeLuma(backend, file);
      if (net.halo !== halo || net.scale !== scale)
        throw new Error(`Expected halo ${halo} and scale ${scale}, got ${net.halo} and ${net.scale}`);
      const { error, shape } = boundOfNetwork(name, arithmetic ?? ARITHMETIC[backend.name], () =>
        program(loadCarafeLuma({ ...backend, conv: boundConv }, file)),
      );
      await poison(backend);
      const got = await backend.run(program(net));
      const [, , h, w] = wanted.shape;
      const middle = (data: Float32Array): Float32Array =>
        wanted.data.map((_, i) => data[(Math.floor(i / w) + halo * scale) * shape[2] + (i % w) + halo * scale]);
      const wantedShape: Shape = [1, h, w, 1];
      assertWithin(middle(got), {
        shape: wantedShape,
        value: { data: wanted.data, shape: wantedShape },
        error: {
          data: middle(error.data).map((e, i) => Math.min(e + 2 ** -24 * Math.abs(wanted.data[i]), maxError)),
          shape: wantedShape,
        },
      });
    });
  }
}

const networkBounds = new Map<Arithmetic, Map<string, Bounded>>();

/** Seconds for a large network in f64, so once for all backends that calculate alike. */
function boundOfNetwork(name: string, arithmetic: Arithmetic, program: () => (ops: Ops) => DeviceTensor): Bounded {
  const known = networkBounds.get(arithmetic) ?? new Map<string, Bounded>();
  networkBounds.set(arithmetic, known);
  const result = known.get(name) ?? bound(program(), arithmetic);
  known.set(name, result);
  return result;
}

/** y [1, 1, h, w] -> [1, h + 2 halo, w + 2 halo, 1], the edge replicated. */
function replicated({ data, shape: [, , h, w] }: ModelTensor, halo: number): Tensor {
  const [height, width] = [h + 2 * halo, w + 2 * halo];
  const clamp = (i: number, size: number): number => Math.min(Math.max(i - halo, 0), size - 1);
  return {
    shape: [1, height, width, 1],
    data: Float32Array.from(
      { length: height * width },
      (_, i) => data[clamp(Math.floor(i / width), h) * w + clamp(i % width, w)],
    ),
  };
}

async function checkVector(backend: Backend, check: Check, wanted: ModelTensor, arithmetic: Arithmetic): Promise<void> {
  if ('pixels' in check) return checkPixels(backend, check, wanted, arithmetic);
  const { convs, program, parameters } = check;
  const { error, shape } = bound((ops) => program(ops, convs.map(boundConv)), { ...arithmetic, parameters });
  if (shape.join() !== wanted.shape.join()) throw new Error(`Expected shape [${wanted.shape}], got [${shape}]`);
  await poison(backend);
  const got = await backend.run((ops) =>
    program(
      ops,
      convs.map((conv) => backend.conv(conv)),
    ),
  );
  assertWithin(got, {
    shape,
    value: { data: wanted.data, shape },
    error: { data: error.data.map((e, i) => e + 2 ** -24 * Math.abs(wanted.data[i])), shape },
  });
}

/** Every byte is the one wanted, or where rounding may go either way one of two. */
async function checkPixels(
  backend: Backend,
  { pixels }: PixelsCheck,
  wanted: ModelTensor,
  arithmetic: Arithmetic,
): Promise<void> {
  const { low, high } = boundPixels(pixels, arithmetic);
  await poison(backend);
  const [got] = await backend.runPixels((ops) => [pixels(ops)]);
  const { data } = toImage(wanted);
  if (got.length !== data.length) throw new Error(`Expected ${data.length} bytes, got ${got.length}`);
  data.forEach((byte, i) => {
    if (byte < low[i] || byte > high[i])
      throw new Error(`Expected byte ${i} within ${low[i]}..${high[i]}, torch has ${byte}`);
    if (got[i] < low[i] || got[i] > high[i]) throw new Error(`Expected byte ${i} to be ${byte}, got ${got[i]}`);
  });
}
