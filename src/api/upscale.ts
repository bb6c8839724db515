// upscale(), createUpscaler(): an image in, the image at `scale` times its size out, in workers by default.
import type { BackendName } from '../backends/backend.js';
import { unlessAborted } from '../core/abort.js';
import { CarafeError, expected } from '../core/errors.js';
import type { RawImage } from '../core/tensor.js';
import { inSlices } from '../core/turn.js';
import { pasting } from '../engine/tiles.js';
import { MOVED, type Progress, type RunOptions, type Tile, upscaleTiles } from '../engine/upscale-image.js';
import type { UpscalerFacts } from '../engine/upscaler.js';
import { BUILTIN_MODELS } from '../models/builtin.js';
import { openPool, type Pool, type PoolInfo } from '../worker/pool.js';
import { type ImageInput, toRawImage } from './image.js';
import { checkBackend, checkRun, checkThread, checkTiling, readUrl, type UpscalerOptions } from './options.js';

export interface UpscalerInfo extends PoolInfo {
  readonly model: string;
  readonly scale: number;
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

/**
 * Loads a network once for many images.
 * @throws {CarafeError} InvalidOption, BackendUnavailable, ModelInvalid, WorkerCrashed; the signal's reason
 * @example
 * const upscaler = await createUpscaler();
 * const big = await upscaler.upscale({ data: new Uint8ClampedArray(32 * 24 * 4), width: 32, height: 24 }); // 64x48
 * upscaler.dispose();
 */
export async function createUpscaler(options: UpscalerOptions = {}): Promise<Upscaler> {
  const { signal } = checkRun(options);
  signal?.throwIfAborted();
  return unlessAborted(signal, open(options), (late) => late.dispose());
}

async function open(options: UpscalerOptions): Promise<Upscaler> {
  const { workers, tile } = checkTiling(options);
  const [request, model] = await Promise.all([checkBackend(options), readModel(options)]);
  const threads = checkThread(options, request);
  const { signal } = options;
  const pool = await openPool({ ...request, spec: 'upscaler', options: { model } }, { ...threads, workers, signal });
  try {
    const { scale } = pool.facts;
    if (options.scale !== undefined && options.scale !== scale)
      throw expected('ModelInvalid', 'scale', `a model of scale ${options.scale}`, `one of scale ${scale}`);
    await pool.grow();
    signal?.throwIfAborted();
  } catch (error) {
    pool.dispose();
    throw error;
  }
  return new PoolUpscaler(pool, tile);
}

/**
 * One image: createUpscaler, upscale, dispose.
 * @throws as both
 * @example
 * const { width, height } = await upscale({ data: new Uint8ClampedArray(16 * 16 * 4), width: 16, height: 16 }); // 32, 32
 */
export async function upscale(image: ImageInput, options: UpscalerOptions & RunOptions = {}): Promise<RawImage> {
  const upscaler = await createUpscaler(options);
  try {
    return await upscaler.upscale(image, options);
  } finally {
    upscaler.dispose();
  }
}

class PoolUpscaler implements Upscaler {
  readonly #pool: Pool<UpscalerFacts>;
  readonly #tile: number;

  constructor(pool: Pool<UpscalerFacts>, tile: number) {
    this.#pool = pool;
    this.#tile = tile;
  }

  get info(): UpscalerInfo {
    const { scale, modelName } = this.#pool.facts;
    return { ...this.#pool.info, model: modelName, scale, tile: this.#tile };
  }

  async upscale(image: ImageInput, options: RunOptions = {}): Promise<RawImage> {
    const input = await this.#begin(image, options);
    const { scale } = this.info;
    const output = allocate(input.width * scale, input.height * scale);
    let reported = 0;
    const onProgress = (progress: Progress): void => {
      if (progress.done <= reported) return; // again, on another backend
      reported = progress.done;
      options.onProgress?.(progress);
    };
    for (;;) {
      try {
        const tiles = this.#run(input, { ...options, onProgress }, this.info.backend);
        for await (const { x, y, image: tile } of tiles) await inSlices(pasting(output, tile, x, y));
        return output;
      } catch (error) {
        if (error !== MOVED) throw error; // else from the start: an image is of one backend
      }
    }
  }

  async *tiles(image: ImageInput, options: RunOptions = {}): AsyncGenerator<Tile, void, void> {
    yield* this.#run(await this.#begin(image, options), options);
  }

  dispose(): void {
    this.#pool.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  async #begin(image: ImageInput, options: RunOptions): Promise<RawImage> {
    checkRun(options).signal?.throwIfAborted();
    this.#pool.queue.assertOpen();
    return toRawImage(image, this.info.scale);
  }

  #run(image: RawImage, options: RunOptions, only?: BackendName): AsyncGenerator<Tile, void, void> {
    return upscaleTiles(image, this.#pool.queue, this.#tile, options, only);
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

async function readModel({ model = 'base', scale = 2 }: UpscalerOptions): Promise<Uint8Array> {
  if (model instanceof ArrayBuffer) return new Uint8Array(model.slice(0)); // as it is now: a worker that is started again needs it again
  if (model instanceof URL) {
    return new Uint8Array(
      await readUrl(model).catch((cause: Error) => {
        throw expected('ModelInvalid', 'model', 'a URL that can be read', cause.message);
      }),
    );
  }
  const models = BUILTIN_MODELS[scale];
  if (!models) throw expected('InvalidOption', 'scale', Object.keys(BUILTIN_MODELS).join(' or '), scale);
  const load = Object.hasOwn(models, model) && models[model];
  if (!load)
    throw expected(
      'InvalidOption',
      'model',
      `${Object.keys(models)
        .map((name) => `"${name}"`)
        .join(', ')} (at scale ${scale}), a URL or an ArrayBuffer`,
      model,
    );
  return load();
}
