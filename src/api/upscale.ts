// upscale(), createUpscaler(): an image in, the image at `scale` times its size out, in workers by default.
import type { BackendName } from '../backends/backend.js';
import type { Rejection } from '../backends/select.js';
import { CarafeError, expected } from '../core/errors.js';
import type { RawImage } from '../core/tensor.js';
import { pasteTile } from '../engine/tiles.js';
import { type RunOptions, type Tile, upscaleTiles } from '../engine/upscale-image.js';
import type { EngineInfo, TileRunner, UpscalerSpec } from '../engine/upscaler-engine.js';
import { UpscalerWorker } from '../worker/client.js';
import { type ImageInput, toRawImage } from './image.js';
import {
  checkBackend,
  checkRun,
  checkThread,
  checkTiling,
  mayRunInline,
  readUrl,
  type FileSource,
  type UpscalerOptions,
} from './options.js';

export interface UpscalerInfo {
  readonly backend: BackendName;
  /** The wasm build ('relaxed-simd', 'simd') or the GPU adapter. */
  readonly details: string;
  /** Backends that were asked for or tried, and why they were not taken. */
  readonly rejected: readonly Rejection[];
  /** Milliseconds of one tile on each backend, where there was a choice. */
  readonly timings: EngineInfo['timings'];
  readonly model: string;
  readonly scale: number;
  readonly thread: 'worker' | 'inline';
  /** Why not in a worker, if 'auto' found none. */
  readonly threadReason?: string;
  readonly workers: number;
  /** Side of a tile's core in input pixels. */
  readonly tile: number;
}

export interface Upscaler extends AsyncDisposable {
  readonly info: UpscalerInfo;
  /**
   * width x height -> width*scale x height*scale. The image is borrowed and must not change until the promise settles; the result is yours.
   * @throws {CarafeError} UnsupportedImage, ImageTooLarge, OutOfMemory, DeviceLost, WorkerCrashed, Disposed; the signal's reason
   */
  upscale(image: ImageInput, options?: RunOptions): Promise<RawImage>;
  /** The same pixels as they are ready, in any order: tiles at (x, y) of the output. Leaving the loop stops the work. */
  tiles(image: ImageInput, options?: RunOptions): AsyncIterableIterator<Tile>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/** Options of the entry without models, `carafe-web/core`: the model is the caller's. */
export interface CoreUpscalerOptions extends Omit<UpscalerOptions, 'model'> {
  model: FileSource;
}

/**
 * Loads a network once for many images.
 * @throws {CarafeError} InvalidOption, BackendUnavailable, ModelInvalid, WorkerCrashed; the signal's reason
 */
export async function createUpscaler(options: CoreUpscalerOptions): Promise<Upscaler> {
  const request = await checkBackend(options);
  const { thread, workerUrl } = checkThread(options, request);
  const { workers, tile } = checkTiling(options);
  const { signal } = checkRun(options);
  signal?.throwIfAborted();
  const spec: UpscalerSpec = { ...request, model: await readModel(options.model) };
  const runners = await openRunners(spec, thread, workerUrl, workers);
  const upscaler = new RunnersUpscaler(runners, tile);
  try {
    signal?.throwIfAborted();
    const { scale } = upscaler.info;
    if (options.scale !== undefined && options.scale !== scale)
      throw expected('ModelInvalid', 'scale', `a model of scale ${options.scale}`, `one of scale ${scale}`);
  } catch (error) {
    upscaler.dispose();
    throw error;
  }
  return upscaler;
}

/**
 * One image: createUpscaler, upscale, dispose.
 * @throws as both
 */
export async function upscale(image: ImageInput, options: CoreUpscalerOptions & RunOptions): Promise<RawImage> {
  const upscaler = await createUpscaler(options);
  try {
    return await upscaler.upscale(image, options);
  } finally {
    upscaler.dispose();
  }
}

interface Runners {
  readonly all: readonly TileRunner[];
  readonly thread: 'worker' | 'inline';
  readonly threadReason?: string;
  dispose(): void;
}

async function openRunners(
  spec: UpscalerSpec,
  thread: 'auto' | 'worker' | 'inline',
  workerUrl: URL | undefined,
  count: number,
): Promise<Runners> {
  if (thread === 'inline') return openInline(spec);
  try {
    return await openWorkers(spec, workerUrl, count);
  } catch (error) {
    if (thread === 'worker' || !mayRunInline(error, spec)) throw error;
    return openInline(spec, error.message);
  }
}

async function openWorkers(spec: UpscalerSpec, workerUrl: URL | undefined, count: number): Promise<Runners> {
  const first = await UpscalerWorker.create(spec, workerUrl);
  const all = [first];
  const dispose = (): void => all.forEach((worker) => worker.terminate());
  if (first.info.backend !== 'webgpu') {
    // one GPU is one GPU, however many workers feed it
    const more = Array.from({ length: count - 1 }, () =>
      UpscalerWorker.create({ ...spec, backend: [first.info.backend] }, workerUrl),
    );
    const opened = await Promise.allSettled(more);
    all.push(...opened.filter((o) => o.status === 'fulfilled').map((o) => o.value));
    const failed = opened.find((o) => o.status === 'rejected');
    if (failed) {
      dispose();
      throw failed.reason;
    }
  }
  return { all, thread: 'worker', dispose };
}

async function openInline(spec: UpscalerSpec, threadReason?: string): Promise<Runners> {
  const { UpscalerEngine } = await import('../engine/upscaler-engine.js'); // its own chunk: with workers the page does not need it
  const engine = await UpscalerEngine.create(spec);
  const runner: TileRunner = {
    get info() {
      return engine.info;
    },
    runTiles: async (jobs) => {
      await new Promise((resolve) => setTimeout(resolve)); // lets timers, events and an abort in between batches
      return engine.runTiles(jobs);
    },
  };
  return { all: [runner], thread: 'inline', dispose: () => engine.dispose(), ...(threadReason && { threadReason }) };
}

class RunnersUpscaler implements Upscaler {
  readonly #runners: Runners;
  readonly #tile: number;
  #disposed = false;

  constructor(runners: Runners, tile: number) {
    this.#runners = runners;
    this.#tile = tile;
  }

  get info(): UpscalerInfo {
    const {
      all: [{ info }],
      thread,
      threadReason,
    } = this.#runners;
    const { backend, details, rejected, timings, scale, modelName } = info;
    return {
      backend,
      details,
      rejected,
      timings,
      model: modelName,
      scale,
      thread,
      ...(threadReason && { threadReason }),
      workers: thread === 'worker' ? this.#runners.all.length : 0,
      tile: this.#tile,
    };
  }

  async upscale(image: ImageInput, options: RunOptions = {}): Promise<RawImage> {
    const { scale } = this.info;
    const input = await this.#begin(image, options);
    const output = allocate(input.width * scale, input.height * scale);
    for await (const tile of this.#run(input, options)) pasteTile(output, tile.image, tile.x, tile.y);
    return output;
  }

  async *tiles(image: ImageInput, options: RunOptions = {}): AsyncGenerator<Tile, void, void> {
    yield* this.#run(await this.#begin(image, options), options);
  }

  dispose(): void {
    this.#disposed = true;
    this.#runners.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  async #begin(image: ImageInput, options: RunOptions): Promise<RawImage> {
    if (this.#disposed) throw new CarafeError('Disposed', 'Expected a live upscaler, got one that was disposed');
    checkRun(options).signal?.throwIfAborted();
    return toRawImage(image, this.info.scale);
  }

  #run(image: RawImage, options: RunOptions): AsyncGenerator<Tile, void, void> {
    return upscaleTiles(image, this.#runners.all, this.#tile, options);
  }
}

function allocate(width: number, height: number): RawImage {
  try {
    return { data: new Uint8ClampedArray(width * height * 4), width, height };
  } catch {
    throw new CarafeError(
      'OutOfMemory',
      `Expected ${width * height * 4} bytes for the output to be available, got a refusal`,
    );
  }
}

async function readModel(model: FileSource): Promise<Uint8Array> {
  if (model instanceof Uint8Array) return model;
  if (model instanceof ArrayBuffer) return new Uint8Array(model);
  if (!(model instanceof URL) && typeof model !== 'string')
    throw expected('InvalidOption', 'model', 'a URL or the bytes of a .safetensors file', model);
  try {
    return new Uint8Array(await readUrl(new URL(model, globalThis.location?.href)));
  } catch (cause) {
    throw expected('ModelInvalid', 'model', 'a URL that can be read', `${model}: ${(cause as Error).message}`);
  }
}
