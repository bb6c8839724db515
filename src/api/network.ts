// createNetwork: whole architectures with people's weights, tensors in and out.
import { unlessAborted } from '../core/abort.js';
import { expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import type { Layout, Normalizer } from '../core/shapes.js';
import type { Tensor } from '../core/tensor.js';
import type { NetworkFacts, NetworkSettings } from '../engine/network.js';
import type { Tensors } from '../engine/networks/state-dict.js';
import type { UperNetPlace } from '../engine/networks/upernet.js';
import { UPSAMPLERS, type NetworkUpsampler } from '../engine/networks/upsampler-names.js';
import { openPool, type Pool, type PoolInfo } from '../worker/pool.js';
import { type CheckpointSource, readSource } from './checkpoint-source.js';
import { checkTensor, type TensorLike } from './module-options.js';
import {
  type BackendOptions,
  checkOptions,
  checkRun,
  checkThread,
  checkTiling,
  integer,
  oneOf,
  resolveBackend,
  type ThreadOptions,
} from './options.js';

/** What all networks have. */
export interface NetworkOptions extends BackendOptions, ThreadOptions {
  /** Of the names of its tensors in the checkpoint: 'neck' where they begin with `neck.`; default none. */
  prefix?: string;
  /** Default 'carafe'. */
  upsampler?: NetworkUpsampler;
  /** Of the tensors in and out; default 'NCHW'. */
  layout?: Layout;
  /** Of batch norm; default 1e-5. */
  eps?: number;
  /** Of the kernels of CARAFE layers; default 'softmax'. */
  normalizer?: Normalizer;
}

/** mmdetection's FPN_CARAFE. Inputs: the backbone's maps, the finest first; outputs: as many as there are laterals. */
export interface FpnOptions extends NetworkOptions {
  /** Of convolution, norm and activation; default 'conv-norm-act'. */
  order?: 'conv-norm-act' | 'act-conv-norm';
  /** Default 'none', as in the paper. */
  activation?: 'none' | 'relu';
  /** The first input that is read; default 0. */
  startLevel?: number;
}

/** mmdetection's FCNMaskHead. Input: features of regions (n, c, h, w); output: logits (n, classes, 2h, 2w). */
export type MaskHeadOptions = NetworkOptions;

/**
 * mmsegmentation's UPerHead. Inputs: the backbone's maps, the finest first; output: logits of the finest's size. CARAFE
 * layers are named `ppm_upsample_modules.{i}`, `fpn_upsample_modules.{i}` and `fuse_upsample_modules.{i}`.
 */
export interface UperNetOptions extends NetworkOptions {
  /** Where the upsampler is, bilinear elsewhere; default all three. */
  places?: readonly UperNetPlace[];
  /** Of pyramid pooling; default 1, 2, 3, 6. */
  poolScales?: readonly number[];
}

/** mmediting's GLDecoder. Input: the encoder's features (n, c, h, w); output: the image (n, 3, 4h, 4w). */
export interface GlobalLocalOptions extends NetworkOptions {
  /** The layers that enlarge first, `dec{i}.upsample`; with 'deconv' they are deconvolutions; default 3 and 5. */
  upsampled?: readonly number[];
  /** Default 'clip', to -1..1. */
  output?: 'clip' | 'sigmoid';
}

/**
 * mmediting's PConvDecoder. Inputs: the encoder's maps, the image first, then a mask (n, 1, h, w) of what is known for each;
 * outputs: the image and its mask. The layers' upsamplers are named `dec{i}.upsample`.
 */
export interface PartialConvOptions extends NetworkOptions {
  /** Of leaky ReLU; default 0.2. */
  slope?: number;
  /** Channels of the deepest map; default those of its CARAFE layer, or half of what the deepest layer reads. */
  deepest?: number;
}

/**
 * The package's own (training/trial.py), which fills holes: `carafe-web/inpaint` does it for images. Inputs: red, green and
 * blue - 0.5 (n, 3, h, w), h and w multiples of 8, and a mask (n, 1, h, w) of what is known; both are 0 in the hole. Output:
 * red, green and blue - 0.5 (n, 3, h, w).
 */
export type InpaintingUNetOptions = NetworkOptions;

export interface OptionsOfNetwork {
  fpn: FpnOptions;
  'mask-head': MaskHeadOptions;
  upernet: UperNetOptions;
  'global-local': GlobalLocalOptions;
  'partial-conv': PartialConvOptions;
  'inpainting-unet': InpaintingUNetOptions;
}

export type NetworkName = keyof OptionsOfNetwork;

export interface Network extends AsyncDisposable {
  readonly info: PoolInfo;
  /**
   * Everything between inputs and outputs stays with the backend.
   * @throws {CarafeError} ShapeMismatch, OutOfMemory, DeviceLost, WorkerCrashed, Disposed; the signal's reason
   */
  run(inputs: readonly TensorLike[], options?: { signal?: Global<'AbortSignal'> }): Promise<Tensor[]>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/**
 * A network with the weights of a .safetensors, .pth or .pt: its bytes, a Blob or a URL.
 * @throws {CarafeError} ModelInvalid that names the tensor; InvalidOption, BackendUnavailable, WorkerCrashed; the signal's
 * reason
 * @example
 * const fpn = await createNetwork('fpn', new URL('mask_rcnn_carafe.pth', location.href), { prefix: 'neck' });
 * const [p2, p3, p4, p5] = await fpn.run([c2, c3, c4, c5]);
 */
export async function createNetwork<Name extends NetworkName>(
  name: Name,
  weights: CheckpointSource,
  options: OptionsOfNetwork[Name] = {},
): Promise<Network> {
  return openNetwork(name, weights, options);
}

/** The same, with what the package needs to know of it. */
export async function openNetwork<Name extends NetworkName>(
  name: Name,
  weights: CheckpointSource,
  options: OptionsOfNetwork[Name],
): Promise<PoolNetwork> {
  const { layout = 'NCHW', normalizer = 'softmax', eps = 1e-5, prefix = '' } = checkOptions(options);
  if (!Object.hasOwn(SETTINGS, name))
    throw expected('InvalidOption', 'name', `one of ${Object.keys(SETTINGS).join(', ')}`, name);
  const settings = SETTINGS[name](options);
  oneOf('layout', layout, ['NCHW', 'NHWC']);
  oneOf('normalizer', normalizer, ['softmax', 'sigmoid', 'sigmoid-normalized']);
  number('eps', eps);
  if (typeof prefix !== 'string') throw expected('InvalidOption', 'prefix', 'a string', prefix);
  const { signal } = checkRun(options);
  signal?.throwIfAborted();
  const request = await resolveBackend(options);
  if (request.wasm && !WebAssembly.Module.exports(request.wasm).some(({ name: kernel }) => kernel === 'gridSample'))
    throw expected('InvalidOption', 'wasm', 'carafe-web/networks-simd.wasm', 'a build without the kernels of networks');
  const threads = checkThread(options, request);
  const { workers } = checkTiling(options);
  const opening = async (): Promise<PoolNetwork> => {
    const [tensors, { NETWORKS_HOME }] = await Promise.all([
      readTensors(weights, prefix),
      import('../worker/networks-home.js'),
    ]);
    const checked = { name, tensors, settings, layout, eps, normalizer };
    const where = { ...threads, ...NETWORKS_HOME, workers, signal };
    return new PoolNetwork(await openPool({ ...request, spec: 'network', options: checked }, where));
  };
  return unlessAborted(signal, opening(), (late) => late.dispose());
}

export class PoolNetwork implements Network {
  readonly #pool: Pool<NetworkFacts>;

  constructor(pool: Pool<NetworkFacts>) {
    this.#pool = pool;
  }

  get info(): PoolInfo {
    return this.#pool.info;
  }

  get facts(): NetworkFacts {
    return this.#pool.facts;
  }

  async run(inputs: readonly TensorLike[], options: { signal?: Global<'AbortSignal'> } = {}): Promise<Tensor[]> {
    if (!Array.isArray(inputs)) throw expected('ShapeMismatch', 'inputs', 'a list of tensors', inputs);
    const xs = inputs.map((x, i) => checkTensor(`inputs[${i}]`, x));
    const size = xs.reduce((sum, { data }) => sum + data.length, 0);
    const prepare = () => ({ program: 'run' as const, args: [xs] as const, transfer: [] });
    return this.#pool.queue.call<Tensor[]>(size, prepare, checkRun(options).signal);
  }

  dispose(): void {
    this.#pool.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }
}

/** The tensors whose names begin with the prefix, without it. */
async function readTensors(source: CheckpointSource, prefix: string): Promise<Tensors> {
  const [bytes, { readCheckpoint }, { toFloat32 }] = await Promise.all([
    readSource(source),
    import('../models/checkpoint.js'),
    import('../models/stored-tensor.js'),
  ]);
  const begins = prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
  const all = [...readCheckpoint(bytes).tensors];
  const wanted = all.filter(([name]) => name.startsWith(begins));
  if (wanted.length === 0)
    throw expected('ModelInvalid', 'prefix', `that of a tensor, such as "${all[0]?.[0]}"`, JSON.stringify(prefix));
  return Object.fromEntries(
    wanted.map(([name, tensor]) => {
      const { dtype, shape } = tensor;
      const found = /F/.test(dtype)
        ? { data: toFloat32(name, tensor), shape }
        : { data: new Float32Array(), shape, dtype };
      return [name.slice(begins.length), found];
    }),
  );
}

const upsamplerOf = ({ upsampler = 'carafe' }: NetworkOptions): { upsampler: NetworkUpsampler } => {
  oneOf('upsampler', upsampler, UPSAMPLERS);
  return { upsampler };
};

/** Every default and every check of what only one network has. */
const SETTINGS: { readonly [Name in NetworkName]: (options: OptionsOfNetwork[Name]) => NetworkSettings[Name] } = {
  fpn(options) {
    const { order = 'conv-norm-act', activation = 'none', startLevel = 0 } = options;
    oneOf('order', order, ['conv-norm-act', 'act-conv-norm']);
    oneOf('activation', activation, ['none', 'relu']);
    return { ...upsamplerOf(options), order, activation, startLevel: integer('startLevel', startLevel, 0, 16) };
  },
  'mask-head': upsamplerOf,
  upernet(options) {
    const { places = ['ppm', 'fpn', 'fuse'], poolScales = [1, 2, 3, 6] } = options;
    for (const place of list('places', places)) oneOf('places', place, ['ppm', 'fpn', 'fuse']);
    for (const scale of list('poolScales', poolScales)) integer('poolScales', scale, 1, 1024);
    return { ...upsamplerOf(options), places: [...places], poolScales: [...poolScales] };
  },
  'global-local'(options) {
    const { upsampled = [3, 5], output = 'clip' } = options;
    for (const layer of list('upsampled', upsampled)) integer('upsampled', layer, 1, 1024);
    oneOf('output', output, ['clip', 'sigmoid']);
    return { ...upsamplerOf(options), upsampled: [...upsampled], output };
  },
  'partial-conv'(options) {
    const { slope = 0.2, deepest } = options;
    if (deepest !== undefined) integer('deepest', deepest, 1, 65536);
    return { ...upsamplerOf(options), slope: number('slope', slope), ...(deepest && { deepest }) };
  },
  'inpainting-unet': upsamplerOf,
};

function number(name: string, value: unknown): number {
  if (!Number.isFinite(value)) throw expected('InvalidOption', name, 'a number', value);
  return value as number;
}

function list<T>(name: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw expected('InvalidOption', name, 'a list', value);
  return value;
}
