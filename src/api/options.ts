// Every default and every check of the public API's arguments. What comes out is complete and valid; nothing behind it checks again.
import type { BackendName } from '../backends/backend.js';
import type { BackendRequest } from '../backends/select.js';
import { unlessAborted } from '../core/abort.js';
import { expected } from '../core/errors.js';
import type { Global, WasmModule } from '../core/platform.js';
import { bytesOf, isUrl, tagOf } from '../core/tag.js';
import type { RawImage, RgbaPixels } from '../core/tensor.js';
import { LARGEST_TILE } from '../engine/tiles.js';
import type { RunOptions } from '../engine/upscale-image.js';
import type { ModelName } from '../models/builtin.js';
import { type FileSource, loadWasm, toUrl } from './load.js';

const BACKENDS: readonly BackendName[] = ['webgpu', 'wasm', 'reference'];
export const MAX_OUTPUT_BYTES = 2 ** 31; // of one image or tensor

export interface BackendOptions {
  /** Default 'auto': the fastest of webgpu and wasm. A name never falls back; a list is tried in order. */
  backend?: 'auto' | BackendName | readonly BackendName[];
  /** The wasm build to use instead of the built-in ones: where code generation from bytes is forbidden, or to serve the file yourself. */
  wasm?: FileSource | WasmModule;
  /** A device to run on; it is borrowed, and keeps the work on this thread. Where `navigator.gpu` is missing (Node), the way to webgpu. */
  device?: Global<'GPUDevice', object>;
}

export interface ThreadOptions {
  /** Default 'auto': a worker, or this thread where there are none, where `device` is given and for WebGPU in Deno. `info.threadReason` says why. */
  thread?: 'auto' | 'worker' | 'inline';
  /** Where you host the worker's file (`carafe-web/worker`), if your bundler or CSP needs it. */
  workerUrl?: Global<'URL'> | string;
  /** Workers at most; default one less than the cores, at most 4. They share a call of an upscaler; of a module, they share the calls. */
  workers?: number;
  /** Cancels the creation. */
  signal?: Global<'AbortSignal'>;
}

export interface UpscalerOptions extends BackendOptions, ThreadOptions {
  /** Default 2; the built-in models do 2, 3 and 4. A model of your own has to be of this scale if it is given. */
  scale?: 2 | 3 | 4;
  /**
   * Default 'base', and whole pixels for pixel art (`isPixelArt`), of which `restore.pixelArt` of the result tells; a model that is named enlarges
   * pixel art too. 'tiny' costs a tenth of it, 'small' a third, 'large' two to three times as much;
   * 'nearest' (for pixel art), 'bicubic' and 'lanczos' are no networks. Or a
   * .safetensors file of architecture carafe-luma: a URL (a string with a '/', '.' or ':' is one) or its bytes.
   */
  model?: ModelName | FileSource;
  /**
   * How much of JPEG's artefacts and of noise is removed: from 0 (clean images stay as they are) to 1. Default 'auto': for each image by what
   * it went through. A call may say otherwise.
   */
  restore?: number | 'auto';
  /**
   * Side of a tile's core in input pixels, 8..2048, rounded up to a multiple of 4. Any size gives the same pixels. Default 256; on a GPU up to
   * 2048, as large as its buffers hold and as it does in about 0.1 s.
   */
  tile?: number;
}

/** @throws {CarafeError} InvalidOption */
export async function resolveBackend(options: BackendOptions): Promise<BackendRequest> {
  const { backend = 'auto', wasm, device } = checkOptions(options);
  const names = typeof backend === 'string' ? [backend] : backend;
  if (
    !Array.isArray(names) ||
    names.length === 0 ||
    !names.every((name) => (name === 'auto' && names.length === 1) || BACKENDS.includes(name as BackendName))
  ) {
    throw expected(
      'InvalidOption',
      'backend',
      '"auto", "webgpu", "wasm", "reference" or a list of the last three',
      backend,
    );
  }
  if (device !== undefined && typeof (device as Partial<GPUDevice> | null)?.createBuffer !== 'function')
    throw expected('InvalidOption', 'device', 'a GPUDevice', device);
  const [module, shaders] = await Promise.all([
    wasm === undefined ? undefined : loadWasm(wasm),
    names.some((name) => name === 'auto' || name === 'webgpu') ? loadShaders() : undefined,
  ]);
  return {
    backend: names[0] === 'auto' ? 'auto' : (names as BackendName[]),
    ...(module && { wasm: module }),
    ...(device && { device }),
    ...(shaders && { shaders }),
  };
}

const PATIENCE = 1000; // ms that an adapter may take

/** Where there may be a GPU. Without them it is not taken, for a reason that the session finds. */
async function loadShaders(): Promise<BackendRequest['shaders']> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) return undefined;
  try {
    if (!(await unlessAborted(AbortSignal.timeout(PATIENCE), gpu.requestAdapter()))) return undefined;
  } catch {
    // an error or no answer is the session's to explain
  }
  return import('../backends/webgpu/shader-texts.js').then(
    (texts) => texts.default,
    () => undefined,
  );
}

export interface CheckedThread {
  readonly thread: 'auto' | 'worker' | 'inline';
  readonly workerUrl: URL | undefined;
}

export function checkThread(options: ThreadOptions, { device, backend }: BackendRequest): CheckedThread {
  const { thread = 'auto', workerUrl } = checkOptions(options);
  oneOf('thread', thread, ['auto', 'worker', 'inline']);
  const stays = device
    ? 'a GPUDevice cannot leave its thread'
    : backend[0] === 'reference' && 'the worker has no reference';
  if (stays && thread === 'worker') throw expected('InvalidOption', 'thread', `"inline" or "auto" (${stays})`, thread);
  const url = typeof workerUrl === 'string' ? toUrl(workerUrl) : workerUrl;
  if (url !== undefined && !isUrl(url)) throw expected('InvalidOption', 'workerUrl', 'a URL', workerUrl);
  return { thread: stays ? 'inline' : thread, workerUrl: url };
}

export function checkScale(options: UpscalerOptions): number {
  const { scale = 2 } = checkOptions(options);
  return integer('scale', scale, 1, 8);
}

export function checkTiling(options: Pick<UpscalerOptions, 'workers' | 'tile'>): { workers: number; tile?: number } {
  const { workers, tile } = checkOptions(options);
  const cores =
    globalThis.navigator?.hardwareConcurrency ??
    globalThis.process?.getBuiltinModule?.('node:os').availableParallelism() ??
    2;
  return {
    workers: integer('workers', workers ?? Math.min(4, Math.max(1, cores - 1)), 1, 64),
    ...(tile !== undefined && { tile: integer('tile', tile, 8, LARGEST_TILE) }),
  };
}

/** undefined if it is not given. @throws {CarafeError} InvalidOption */
export function checkRestore(options: Pick<UpscalerOptions, 'restore'>): number | 'auto' | undefined {
  const { restore } = checkOptions(options);
  if (restore !== undefined && restore !== 'auto' && !(typeof restore === 'number' && restore >= 0 && restore <= 1))
    throw expected('InvalidOption', 'restore', 'a number of 0..1 or "auto"', restore);
  return restore;
}

export function checkRun(options: RunOptions): Pick<RunOptions, 'signal' | 'onProgress'> & { file?: Uint8Array } {
  const { signal, onProgress, file } = checkOptions(options);
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function')
    throw expected('InvalidOption', 'signal', 'an AbortSignal', signal);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw expected('InvalidOption', 'onProgress', 'a function', onProgress);
  const bytes = bytesOf(file);
  if (file !== undefined && !bytes) throw expected('InvalidOption', 'file', 'the bytes of a file', file);
  return { signal, onProgress, file: bytes };
}

/** Pixels of the right length, and few enough to be enlarged. @throws {CarafeError} UnsupportedImage, ImageTooLarge */
export function checkPixels(image: RgbaPixels, scale: number): Required<RgbaPixels> {
  if (typeof image !== 'object' || image === null)
    throw expected('UnsupportedImage', 'image', '{ data, width, height }', image);
  const { data, width, height, colorSpace = 'srgb' } = image;
  checkImageSize(width, height, scale);
  if (!['Uint8ClampedArray', 'Uint8Array', 'Float16Array'].includes(tagOf(data)))
    throw expected('UnsupportedImage', 'data', 'RGBA in a Uint8ClampedArray, a Uint8Array or a Float16Array', data);
  const values = width * height * 4;
  if (data.length !== values)
    throw expected(
      'UnsupportedImage',
      'data',
      `${values} values, width * height * 4,`,
      data.length === 0 ? 'none (was its buffer transferred?)' : data.length,
    );
  if (colorSpace !== 'srgb' && colorSpace !== 'display-p3')
    throw expected('UnsupportedImage', 'colorSpace', '"srgb" or "display-p3"', colorSpace);
  return { data, width, height, colorSpace };
}

export function checkImageSize(width: number, height: number, scale: number): void {
  if (!isSize(width)) throw expected('UnsupportedImage', 'width', 'a positive integer', width);
  if (!isSize(height)) throw expected('UnsupportedImage', 'height', 'a positive integer', height);
  const bytes = width * height * 4 * scale * scale;
  if (bytes > MAX_OUTPUT_BYTES)
    throw expected(
      'ImageTooLarge',
      'image',
      `at most ${MAX_OUTPUT_BYTES} bytes of RGBA at ${scale} times its size`,
      `${width}x${height}: ${bytes} bytes`,
    );
}

/** A pixel of the enlargement. @throws {CarafeError} InvalidOption */
export function checkPoint(x: number, y: number, { width, height }: RawImage, scale: number): void {
  integer('x', x, 0, width * scale - 1);
  integer('y', y, 0, height * scale - 1);
}

/** null and '2x' are no options; undefined never comes here, every call has a default. */
export function checkOptions<T extends object>(options: T): T {
  if (typeof options !== 'object' || options === null) throw expected('InvalidOption', 'options', 'an object', options);
  return options;
}

export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export function integer(name: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw expected('InvalidOption', name, `an integer of ${min}..${max}`, value);
  return value as number;
}

export function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string))
    throw expected('InvalidOption', name, allowed.map((a) => `"${a}"`).join(', '), value);
}
