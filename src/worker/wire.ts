// What crosses the thread boundary. comlink keeps only an error's message, name and stack, and copies what is not marked for
// transfer; so an answer is {value} or {error: {code, message, details}}, and buffers are listed here.
import * as Comlink from 'comlink';
import { CarafeError, type ErrorCode } from '../core/errors.js';
import type { RawImage, Tensor } from '../core/tensor.js';
import type { CarafeInfo, CarafeSpec } from '../engine/carafe-engine.js';
import type { TileJob } from '../engine/upscale-tile.js';
import type { EngineInfo, UpscalerSpec } from '../engine/upscaler-engine.js';

/** The worker's side; a worker holds at most one of each. */
export interface Host {
  /** Answers once the worker's code runs: with HANDSHAKE. */
  ready(): string;
  openUpscaler(spec: UpscalerSpec): Promise<Answer<EngineInfo>>;
  /** Also the info, which changes if the GPU is lost. */
  runTiles(jobs: readonly TileJob[]): Promise<Answer<{ images: RawImage[]; info: EngineInfo }>>;
  openCarafe(spec: CarafeSpec): Promise<Answer<CarafeInfo>>;
  predictKernels(x: Tensor): Promise<Answer<Tensor>>;
  upsample(x: Tensor, into?: Float32Array): Promise<Answer<Tensor>>;
}

export type Answer<T> = { readonly value: T } | { readonly error: WireError };

interface WireError {
  readonly code: ErrorCode | undefined; // undefined: not one of ours
  readonly message: string;
  readonly details: unknown;
  readonly stack: string | undefined;
}

/** What has to move to be seen on the other side; shared memory is seen from both. */
export function moving({ buffer }: { buffer: ArrayBufferLike }): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}

/** Runs `body` in the worker and packs what comes of it; `transfer` names the buffers the caller may have. */
export async function answer<T>(
  body: () => Promise<T>,
  transfer: (value: T) => ArrayBuffer[] = () => [],
): Promise<Answer<T>> {
  try {
    const value = await body();
    return Comlink.transfer({ value }, transfer(value));
  } catch (error) {
    const { code, message, details, stack } = error as CarafeError;
    return { error: { code: error instanceof CarafeError ? code : undefined, message, details, stack } };
  }
}

/** The value on the caller's side, or the error thrown again as what it was. */
export function unpack<T>(packed: Answer<T>): T {
  if ('value' in packed) return packed.value;
  const { code, message, details, stack } = packed.error;
  const error = code ? new CarafeError(code, message, details) : new Error(message);
  error.stack = stack;
  throw error;
}
