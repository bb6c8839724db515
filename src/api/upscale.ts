// upscale(), createUpscaler(): an image in, the image at `scale` times its size out, in workers by default.
import type { BackendName } from '../backends/backend.js';
import { unlessAborted } from '../core/abort.js';
import { expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { inSlices } from '../core/turn.js';
import type { PixelExplanation } from '../engine/explain-pixel.js';
import { hasSizeOfPixelArt } from '../engine/pixel-art-size.js';
import { pasting, pixelsOf, planTiles } from '../engine/tiles.js';
import type { Restore } from '../engine/restore.js';
import {
  chooseRestore,
  MOVED,
  type Progress,
  type RunOptions,
  type Tile,
  upscaleTiles,
} from '../engine/upscale-image.js';
import type { UpscalerFacts } from '../engine/upscaler.js';
import { openPool, type Pool, type PoolInfo } from '../worker/pool.js';
import { allocateImage, type CanvasTarget, drawableSize, headOf, type ImageInput, toRawImage } from './image.js';
import { type FileSource, loadModel } from './load.js';
import type { Painter, Reading } from './to-canvas.js';
import {
  checkPoint,
  checkRestore,
  checkRun,
  checkScale,
  checkThread,
  checkTiling,
  resolveBackend,
  type UpscalerOptions,
} from './options.js';

export interface UpscalerInfo extends PoolInfo {
  readonly model: string;
  readonly scale: number;
  /** Side of a tile's core in input pixels. */
  readonly tile: number;
  /** The dial's position for calls that name none; 0 of a model with one end. */
  readonly restore: number | 'auto';
}

/** RGBA8 at `scale` times the size. */
export interface UpscaledImage extends RawImage {
  /** The dial's position, and why it was taken. */
  readonly restore: Restore;
}

export interface Upscaler extends AsyncDisposable {
  readonly info: UpscalerInfo;
  /**
   * width x height -> width*scale x height*scale. The image is borrowed and must not change until the promise settles; the result is yours.
   * @throws {CarafeError} UnsupportedImage, ImageTooLarge, OutOfMemory, DeviceLost, WorkerCrashed, Disposed; the signal's reason
   */
  upscale(image: ImageInput, options?: RunOptions): Promise<UpscaledImage>;
  /** The same pixels as they are ready, in any order: tiles at (x, y) of the output. Leaving the loop stops the work. */
  tiles(image: ImageInput, options?: RunOptions): AsyncIterableIterator<Tile>;
  /**
   * Why the output pixel (x, y) is as it is: the weights with which the source's pixels make its luma, beside bicubic's, and the kernels
   * behind them. Computed on this thread, in about 0.1 s, whatever the image's size.
   * @throws {CarafeError} UnsupportedImage, ImageTooLarge, InvalidOption for a pixel outside the output, Disposed
   */
  explain(
    image: ImageInput,
    x: number,
    y: number,
    options?: Pick<RunOptions, 'restore' | 'file'>,
  ): Promise<PixelExplanation>;
  /**
   * Draws the enlargement on the canvas, which gets its size: for videos, frame by frame. On webgpu the frame stays on the GPU, on this thread,
   * and nothing is read back; on wasm it goes through the workers. Resolves once it is drawn; await it before the next. The canvas must have no
   * context of another kind. Transparency is not kept on webgpu. With restore 'auto' the first frame on a canvas decides for those that follow.
   * @throws {CarafeError} UnsupportedImage, ImageTooLarge, InvalidOption, BackendUnavailable, OutOfMemory, DeviceLost, Disposed; the signal's reason
   */
  toCanvas(image: ImageInput, canvas: CanvasTarget, options?: RunOptions): Promise<void>;
  /**
   * A TransformStream of VideoFrames: enlarged ones come out, one at a time, as fast as they are read. Those that go in are closed.
   * @throws as toCanvas, through the stream
   */
  frames(options?: RunOptions): Promise<Global<'TransformStream'>>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

/** Options of the entry without models, `carafe-web/core`: the model is the caller's. */
export interface CoreUpscalerOptions extends Omit<UpscalerOptions, 'model'> {
  model: FileSource;
}

/** Finds and enlarges pixel art; loaded when a picture has its size. */
type PixelArt = () => Promise<typeof import('../engine/pixel-art.js')>;

/**
 * Loads a network once for many images.
 * @throws {CarafeError} InvalidOption, BackendUnavailable, ModelInvalid, WorkerCrashed; the signal's reason
 */
export function createUpscaler(options: CoreUpscalerOptions): Promise<Upscaler> {
  return openUpscaler(options);
}

/** @param pixelArt unless given, the network enlarges pixel art like other pictures. @throws as createUpscaler() */
export async function openUpscaler(options: CoreUpscalerOptions, pixelArt?: PixelArt): Promise<Upscaler> {
  const { signal } = checkRun(options);
  signal?.throwIfAborted();
  return unlessAborted(signal, open(options, pixelArt), (late) => late.dispose());
}

async function open(options: CoreUpscalerOptions, pixelArt: PixelArt | undefined): Promise<Upscaler> {
  const { workers, tile } = checkTiling(options);
  const restore = checkRestore(options) ?? 'auto';
  checkScale(options);
  const [request, model] = await Promise.all([resolveBackend(options), loadModel(options.model)]);
  const threads = checkThread(options, request);
  const { signal } = options;
  const pool = await openPool(
    { ...request, spec: 'upscaler', options: { model, tile } },
    { ...threads, workers, signal },
  );
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
  return new PoolUpscaler(pool, model, restore, request.device, pixelArt);
}

/**
 * One image: createUpscaler, upscale, dispose.
 * @throws as both
 */
export function upscale(image: ImageInput, options: CoreUpscalerOptions & RunOptions): Promise<UpscaledImage> {
  return upscaleOnce(createUpscaler(options), image, options);
}

/** By an upscaler for this image only. */
export async function upscaleOnce(
  created: Promise<Upscaler>,
  image: ImageInput,
  options: RunOptions,
): Promise<UpscaledImage> {
  const upscaler = await created;
  try {
    return await upscaler.upscale(image, options);
  } finally {
    upscaler.dispose();
  }
}

class PoolUpscaler implements Upscaler {
  readonly #pool: Pool<UpscalerFacts>;
  readonly #model: Uint8Array;
  readonly #restore: number | 'auto';
  readonly #device: GPUDevice | undefined;
  readonly #pixelArt: PixelArt | undefined;
  #painter: Promise<Painter> | undefined;

  constructor(
    pool: Pool<UpscalerFacts>,
    model: Uint8Array,
    restore: number | 'auto',
    device: GPUDevice | undefined,
    pixelArt: PixelArt | undefined,
  ) {
    this.#device = device;
    this.#pixelArt = pixelArt;
    this.#pool = pool;
    this.#model = model;
    this.#restore = restore;
  }

  get info(): UpscalerInfo {
    const { scale, modelName, fixed, tile } = this.#pool.facts;
    const restore = fixed?.value ?? this.#restore;
    return { ...this.#pool.info, model: modelName, scale, tile, restore };
  }

  upscale(image: ImageInput, options: RunOptions = {}): Promise<UpscaledImage> {
    return this.#upscale(image, options, this.#pixelArt);
  }

  async #upscale(image: ImageInput, options: RunOptions, pixelArt?: PixelArt): Promise<UpscaledImage> {
    const { input, restore } = await this.#begin(image, options, pixelArt);
    const { scale } = this.info;
    let reported = 0;
    const onProgress = (progress: Progress): void => {
      if (progress.done <= reported) return; // again, on another backend
      reported = progress.done;
      options.onProgress?.(progress);
    };
    for (;;) {
      try {
        const { backend, tile } = this.info;
        const tiles = this.#run(input, restore, { ...options, onProgress }, backend);
        const [width, height] = [input.width * scale, input.height * scale];
        let output: RawImage | undefined;
        // One tile is the result as it is.
        if (planTiles(input.width, input.height, tile).length > 1) output = allocateImage(width, height);
        for await (const { x, y, image } of tiles) {
          if (output) await inSlices(pasting(output, image, x, y));
          else output = image;
        }
        return { ...inColorSpace(output!, input), restore };
      } catch (error) {
        if (error !== MOVED) throw error; // else from the start: an image is of one backend
      }
    }
  }

  async *tiles(image: ImageInput, options: RunOptions = {}): AsyncGenerator<Tile, void, void> {
    const { input, restore } = await this.#begin(image, options, this.#pixelArt);
    for await (const tile of this.#run(input, restore, options))
      yield { ...tile, image: inColorSpace(tile.image, input) };
  }

  async toCanvas(image: ImageInput, canvas: CanvasTarget, options: RunOptions = {}): Promise<void> {
    const { restore } = this.#asked(options);
    const enlarging = { info: this.info, upscale: this.#upscale.bind(this) }; // frames: by the network, all of them
    this.#painter ??= import('./to-canvas.js').then(({ openPainter }) =>
      openPainter(enlarging, this.#model, this.#reading, this.#device),
    );
    const painter = await this.#painter.catch((error: unknown) => {
      this.#painter = undefined;
      throw error;
    });
    await painter.paint(image, canvas, { ...options, restore });
  }

  get #reading(): Reading {
    const { scale } = this.info;
    return {
      judge: async (image, options) => (await this.#begin(image, options)).restore.value,
      sizeOf: (image) => drawableSize(image, scale),
      pixels: async (image) => (await toRawImage(image, scale)).image,
    };
  }

  async frames(options: RunOptions = {}): Promise<Global<'TransformStream'>> {
    this.#asked(options);
    const { enlargingFrames } = await import('./to-canvas.js');
    return enlargingFrames(this, options);
  }

  dispose(): void {
    this.#pool.dispose();
    this.#painter?.then(
      (painter) => painter.dispose(),
      () => {},
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  async explain(
    image: ImageInput,
    x: number,
    y: number,
    options: Pick<RunOptions, 'restore' | 'file'> = {},
  ): Promise<PixelExplanation> {
    const { input, restore } = await this.#begin(image, options);
    checkPoint(x, y, input, this.info.scale);
    const { explainPixel } = await import('../engine/explain-pixel.js'); // a chunk of its own, with the reference
    return explainPixel(this.#model, restore.value, input, x, y);
  }

  /** What a call is to do. @throws {CarafeError} InvalidOption, Disposed; the signal's reason */
  #asked(options: RunOptions): ReturnType<typeof checkRun> & { readonly restore: number | 'auto' } {
    const run = checkRun(options);
    const restore = checkRestore(options) ?? this.#restore;
    run.signal?.throwIfAborted();
    this.#pool.queue.assertOpen();
    return { ...run, restore };
  }

  async #begin(
    image: ImageInput,
    options: RunOptions,
    pixelArt?: PixelArt,
  ): Promise<{ input: RawImage; restore: Restore }> {
    const { signal, file: given, restore: asked } = this.#asked(options);
    const { image: input, file } = await toRawImage(image, this.info.scale);
    const { fixed } = this.#pool.facts;
    if (fixed) return { input, restore: fixed };
    if (asked !== 'auto') return { input, restore: { value: asked, reason: 'as asked' } };
    if (pixelArt && hasSizeOfPixelArt(input) && (await pixelArt()).isPixelArt({ ...input, data: pixelsOf(input) }))
      return { input, restore: { value: 0, reason: 'pixel art', pixelArt: true } };
    const head = await headOf(file ?? given);
    return { input, restore: await chooseRestore(input, head, this.#pool.queue, signal) };
  }

  #run(image: RawImage, restore: Restore, options: RunOptions, only?: BackendName): AsyncGenerator<Tile, void, void> {
    if (restore.pixelArt) return this.#wholePixels(image, restore, options);
    return upscaleTiles(image, restore, this.#pool.queue, this.info.tile, options, only);
  }

  /** Pixel art, as one tile. */
  async *#wholePixels(
    image: RawImage,
    restore: Restore,
    { signal, onProgress }: RunOptions,
  ): AsyncGenerator<Tile, void, void> {
    const { enlargePixels } = await this.#pixelArt!();
    signal?.throwIfAborted();
    const big = enlargePixels({ ...image, data: pixelsOf(image) }, this.info.scale);
    onProgress?.({ done: 1, total: 1, restore });
    yield { x: 0, y: 0, image: big, restore };
  }
}

function inColorSpace(image: RawImage, { colorSpace }: RawImage): RawImage {
  return colorSpace ? { ...image, colorSpace } : image;
}
