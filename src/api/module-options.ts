// The defaults and checks of options.ts for the operator: tensors, weights and what the module is. They are apart so that a page
// that enlarges pictures does not load them.
import { expected } from '../core/errors.js';
import type { Activation, Layout, Normalizer, Padding, Window } from '../core/shapes.js';
import { ACTIVATIONS, outputChannels, rowLength } from '../core/shapes.js';
import { type Halves, isFloat32Array } from '../core/tag.js';
import { elements, type Shape, type Tensor } from '../core/tensor.js';
import type { CarafeOptions as ModuleSpec, ConvSpec } from '../engine/carafe.js';
import {
  type BackendOptions,
  checkOptions,
  integer,
  isSize,
  MAX_OUTPUT_BYTES,
  oneOf,
  type ThreadOptions,
} from './options.js';

export interface CarafeOptions extends BackendOptions {
  /** Integer >= 1; default 2. */
  scale?: number;
  /** Side of the reassembly window, odd; default 5. */
  kUp?: number;
  /** Channel groups with kernels of their own; default 1. */
  groups?: number;
  /** What taps outside the features read; default 'zero' (mmcv). */
  padding?: Padding;
}

export interface CarafeModuleOptions extends CarafeOptions, ThreadOptions {
  /** Side of the encoder's window, odd; default that of its weights. */
  kEnc?: number;
  /** Default 'softmax'. */
  normalizer?: Normalizer;
  /** Of the encoder; default 1. */
  dilation?: number;
  /** After the compressor; default 'none' (mmcv). YOLO forks: 'silu', old ones 'leaky-relu'; XiaLiPKU: 'relu'. */
  activation?: Activation;
  /** Of leaky-relu below zero; default 0.01 (torch). */
  slope?: number;
  /** Of the tensors in and out; default 'NCHW'. */
  layout?: Layout;
  /**
   * Default 'fast': wasm computes 3x3 encoders by Winograd's F(4x4, 3x3), whose rounding errors are twice those of plain sums (64 channels,
   * logits up to 4.4: at most 7.4e-6 against 3.7e-6). 'exact': plain sums.
   */
  precision?: 'fast' | 'exact';
}

/** Convolution parameters as PyTorch stores them: weights (cOut, cIn, k, k), bias (cOut). */
export interface ConvParameters {
  weights: TensorLike;
  bias?: TensorLike;
  /** GhostConv: as many channels again, by this depthwise convolution (cOut, 1, k, k) of the others. Both halves have the activation. */
  ghost?: ConvParameters;
}

export interface CarafeWeights {
  /** 1x1, c -> cMid; without it the encoder reads the features themselves. */
  compress?: ConvParameters;
  /** kEnc x kEnc, cMid -> groups * kUp^2 * scale^2, in the order of mmcv's content_encoder. */
  encode: ConvParameters;
  /** After the reassembly, as in the implementations with `down`, `encoder` and `out`. */
  out?: ConvParameters;
}

/** Any number of dimensions. */
export interface TensorLike {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** The same in half precision: a Float16Array, or the bits in a Uint16Array. Computed in f32; the result is of the same type. */
export interface HalfTensor<H extends Halves = Halves> {
  readonly data: H;
  readonly shape: readonly number[];
}

/** A tensor of four dimensions whose sizes multiply to its length; only the first, the number of images, may be 0. @throws {CarafeError} ShapeMismatch */
export function checkTensor(name: string, tensor: TensorLike): Tensor {
  const { data, shape } = checkValues(name, tensor);
  if (shape.length !== 4 || !shape.every((size, i) => isSize(size) || (i === 0 && size === 0)))
    throw expected('ShapeMismatch', `${name}.shape`, 'four positive integers', shape);
  const length = elements(shape as unknown as Shape);
  if (data.length !== length)
    throw expected('ShapeMismatch', `${name}.data`, `${length} values, the product of its shape,`, data.length);
  return { data, shape: shape as unknown as Shape };
}

function checkValues(name: string, tensor: TensorLike): TensorLike {
  if (typeof tensor !== 'object' || tensor === null || ArrayBuffer.isView(tensor) || Array.isArray(tensor))
    throw expected('ShapeMismatch', name, 'a tensor { data: Float32Array, shape: [...] }', tensor);
  if (!isFloat32Array(tensor.data)) throw expected('ShapeMismatch', `${name}.data`, 'a Float32Array', tensor.data);
  if (!Array.isArray(tensor.shape)) throw expected('ShapeMismatch', `${name}.shape`, 'an array of sizes', tensor.shape);
  return tensor;
}

export interface CheckedWindow {
  readonly window: Window;
  readonly padding: Padding;
}

export function checkWindow(options: CarafeOptions): CheckedWindow {
  const { scale = 2, kUp = 5, groups = 1, padding = 'zero' } = checkOptions(options);
  oneOf('padding', padding, ['zero', 'replicate', 'reflect']);
  return {
    window: {
      scale: integer('scale', scale, 1, 64),
      kUp: odd('kUp', kUp),
      groups: integer('groups', groups, 1, 65536),
    },
    padding,
  };
}

/** features (n, c, h, w) and kernels (n, groups*kUp^2, h*scale, w*scale) that fit each other. @throws {CarafeError} ShapeMismatch, OutOfMemory */
export function checkReassembly(features: Tensor, kernels: Tensor, { scale, kUp, groups }: Window): void {
  const [n, c, h, w] = features.shape;
  if (c % groups !== 0)
    throw expected('ShapeMismatch', 'groups', `a divisor of the ${c} channels of "features"`, groups);
  const want = [n, groups * kUp * kUp, h * scale, w * scale];
  if (kernels.shape.join() !== want.join())
    throw expected('ShapeMismatch', 'kernels', `shape [${want.join(', ')}]`, kernels.shape);
  checkOutput('features', elements(features.shape) * scale * scale);
}

function checkOutput(name: string, values: number): void {
  const bytes = values * 4;
  if (bytes > MAX_OUTPUT_BYTES)
    throw expected('OutOfMemory', name, `an output of at most ${MAX_OUTPUT_BYTES} bytes (split the input)`, bytes);
}

export type CheckedModule = ModuleSpec;

/** @throws {CarafeError} InvalidOption, ShapeMismatch, ModelInvalid for weights that are not finite */
export function checkModule(weights: CarafeWeights, options: CarafeModuleOptions): CheckedModule {
  const { window, padding } = checkWindow(options);
  const {
    normalizer = 'softmax',
    dilation = 1,
    activation = 'none',
    slope = 0.01,
    layout = 'NCHW',
    precision = 'fast',
    kEnc,
  } = options;
  oneOf('normalizer', normalizer, ['softmax', 'sigmoid', 'sigmoid-normalized']);
  oneOf('activation', activation, ACTIVATIONS);
  oneOf('layout', layout, ['NCHW', 'NHWC']);
  oneOf('precision', precision, ['fast', 'exact']);
  integer('dilation', dilation, 1, 64);
  if (typeof slope !== 'number' || !Number.isFinite(slope))
    throw expected('InvalidOption', 'slope', 'a finite number', slope);
  if (typeof weights !== 'object' || weights === null)
    throw expected('InvalidOption', 'weights', '{ compress?, encode }', weights);
  const compress = weights.compress && checkConv('compress', weights.compress);
  const encode = checkConv('encode', weights.encode);
  const out = weights.out && checkConv('out', weights.out);
  const [, cMid, kEncWeights] = encode.weights.shape;
  const encoded = outputChannels(encode);
  if (compress && compress.weights.shape[2] !== 1)
    throw expected('ShapeMismatch', 'compress.weights', 'a 1x1 convolution', compress.weights.shape);
  if (compress && outputChannels(compress) !== cMid)
    throw expected(
      'ShapeMismatch',
      'encode.weights',
      `${outputChannels(compress)} input channels, as many as compress gives,`,
      cMid,
    );
  if (kEnc !== undefined && kEnc !== kEncWeights)
    throw expected('InvalidOption', 'kEnc', `${kEncWeights}, the size of encode.weights,`, kEnc);
  if (encoded !== rowLength(window))
    throw expected(
      'ShapeMismatch',
      'encode.weights',
      `groups * kUp^2 * scale^2 = ${rowLength(window)} output channels`,
      encoded,
    );
  const channels = (compress ?? encode).weights.shape[1];
  if (out && out.weights.shape[1] !== channels)
    throw expected(
      'ShapeMismatch',
      'out.weights',
      `${channels} input channels, as many as "x" has,`,
      out.weights.shape[1],
    );
  return {
    ...window,
    padding,
    normalizer,
    dilation,
    activation,
    slope,
    layout,
    precision,
    encode,
    ...(compress && { compress }),
    ...(out && { out }),
  };
}

/** The features of a module's call. @throws {CarafeError} ShapeMismatch, OutOfMemory */
export function checkFeatures(x: TensorLike, module: CheckedModule): Tensor {
  const tensor = checkTensor('x', x);
  checkFeaturesShape(tensor.shape, module);
  return tensor;
}

/** @throws {CarafeError} ShapeMismatch, OutOfMemory */
export function checkFeaturesShape(
  shape: readonly number[],
  { layout, compress, encode, groups, scale }: CheckedModule,
): Shape {
  if (!Array.isArray(shape) || shape.length !== 4 || !shape.every((size, i) => isSize(size) || (i === 0 && size === 0)))
    throw expected('ShapeMismatch', 'x.shape', 'four positive integers', shape);
  const channels = shape[layout === 'NCHW' ? 1 : 3];
  const want = (compress ?? encode).weights.shape[1];
  if (channels !== want) throw expected('ShapeMismatch', 'x', `${want} channels in layout ${layout}`, channels);
  if (channels % groups !== 0)
    throw expected('ShapeMismatch', 'groups', `a divisor of the ${channels} channels of "x"`, groups);
  checkOutput('x', elements(shape as unknown as Shape) * scale * scale);
  return shape as unknown as Shape;
}

/** That the kernels of `x` fit into memory: they may be larger than what is reassembled with them. @throws {CarafeError} OutOfMemory */
export function checkKernels(x: Tensor, module: CheckedModule): void {
  checkOutput('x', elements(kernelsShape(x.shape, module)));
}

/** Of `upsample`'s result, in the layout of x. */
export function upsampledShape(x: Shape, { layout, scale, out }: CheckedModule): Shape {
  const [n, cIn, h, w] = layout === 'NCHW' ? x : [x[0], x[3], x[1], x[2]];
  const c = out ? outputChannels(out) : cIn;
  return layout === 'NCHW' ? [n, c, h * scale, w * scale] : [n, h * scale, w * scale, c];
}

/** Of what is kept of `upsample`'s result, and the option if that is not all. @throws {CarafeError} InvalidOption */
export function checkSize(
  options: { size?: readonly [number, number] },
  full: Shape,
  { layout }: CheckedModule,
): { shape: Shape; size?: readonly [number, number] } {
  const { size } = checkOptions(options);
  const [n, c, h, w] = layout === 'NCHW' ? full : [full[0], full[3], full[1], full[2]];
  if (size === undefined) return { shape: full };
  if (!Array.isArray(size) || size.length !== 2 || !isSize(size[0]) || !isSize(size[1]) || size[0] > h || size[1] > w)
    throw expected('InvalidOption', 'size', `[height, width] of at most [${h}, ${w}]`, size);
  const [height, width] = size;
  const shape: Shape = layout === 'NCHW' ? [n, c, height, width] : [n, height, width, c];
  return height === h && width === w ? { shape } : { shape, size: [height, width] };
}

/** Of `predictKernels`' result, in the layout of x. */
export function kernelsShape(x: Shape, module: CheckedModule): Shape {
  const [n, a, b, c] = upsampledShape(x, module);
  const taps = module.groups * module.kUp * module.kUp;
  return module.layout === 'NCHW' ? [n, taps, b, c] : [n, a, b, taps];
}

/** Where a result goes: memory that nothing else is in, because a worker takes all of it, unless it is shared. @throws {CarafeError} InvalidOption, ShapeMismatch */
export function checkInto(options: { into?: Float32Array }, x: Tensor, length: number): Float32Array | undefined {
  const { into } = checkOptions(options);
  if (into === undefined) return undefined;
  if (!isFloat32Array(into) || into.byteLength !== into.buffer.byteLength || into.buffer === x.data.buffer) {
    throw expected('InvalidOption', 'into', 'a Float32Array that is the whole of its buffer, not that of "x"', into);
  }
  if (into.length !== length)
    throw expected('ShapeMismatch', 'into', `${length} values`, into.length || 'none (an earlier call has taken them)');
  return into;
}

function checkConv(name: string, conv: ConvParameters): ConvSpec {
  if (typeof conv !== 'object' || conv === null) throw expected('InvalidOption', name, '{ weights, bias? }', conv);
  const weights = checkTensor(`${name}.weights`, conv.weights);
  const [cOut, , kh, kw] = weights.shape;
  if (kh !== kw || kh % 2 === 0)
    throw expected('ShapeMismatch', `${name}.weights`, 'a square window of odd size', weights.shape);
  checkFinite(`${name}.weights`, weights.data);
  const ghost = conv.ghost && checkConv(`${name}.ghost`, conv.ghost);
  if (ghost && (ghost.weights.shape[0] !== cOut || ghost.weights.shape[1] !== 1 || ghost.ghost))
    throw expected(
      'ShapeMismatch',
      `${name}.ghost.weights`,
      `a depthwise convolution [${cOut}, 1, k, k]`,
      ghost.weights.shape,
    );
  const rest = ghost && { ghost };
  if (conv.bias === undefined || conv.bias === null) return { weights, ...rest };
  const { data: bias } = checkValues(`${name}.bias`, conv.bias);
  if (bias.length !== cOut) throw expected('ShapeMismatch', `${name}.bias`, `${cOut} values`, bias.length);
  checkFinite(`${name}.bias`, bias);
  return { weights, bias, ...rest };
}

function checkFinite(name: string, values: Float32Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw expected('ModelInvalid', name, 'finite values', `${values[at]} at ${at}`);
}

function odd(name: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) % 2 !== 1 || (value as number) < 1 || (value as number) > 63)
    throw expected('InvalidOption', name, 'an odd integer of 1..63', value);
  return value as number;
}
