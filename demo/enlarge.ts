// Pictures enlarged, by every method there is, and how long it takes here.
import { type BackendName, CarafeError, createUpscaler, type Progress, type Restore, type Upscaler } from 'carafe-web';
import { context2d } from './dom.js';
import type { Picture } from './picture.js';

export const MODELS = ['tiny', 'small', 'base', 'large'] as const;
export type Model = (typeof MODELS)[number];
/** What the package does by `model`: networks, and what they are compared with. */
export type Method = 'nearest' | 'bicubic' | 'lanczos' | Model;

export const METHOD_NAMES: Readonly<Record<Method, string>> = {
  nearest: 'Original, nearest',
  bicubic: 'Bicubic',
  lanczos: 'Lanczos',
  tiny: 'CARAFE tiny',
  small: 'CARAFE small',
  base: 'CARAFE base',
  large: 'CARAFE large',
};

export interface Settings {
  readonly scale: 2 | 3 | 4;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  /** 0 clean .. 1 heavy JPEG and noise. */
  readonly restore: number | 'auto';
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Result {
  readonly canvas: OffscreenCanvas;
  readonly seconds: number;
  /** How, in words. */
  readonly how: string;
  /** Where the dial was, and why. */
  readonly restore?: Restore;
}

export interface Run {
  readonly signal: AbortSignal;
  /** Where the enlargement appears as it is made. */
  readonly onCanvas: (canvas: OffscreenCanvas) => void;
  readonly onProgress: (share: number) => void;
  /** What goes first: this has the same cores. */
  readonly after?: Promise<unknown>;
}

export function isModel(method: Method): method is Model {
  return (MODELS as readonly string[]).includes(method);
}

const SESSIONS = 2; // one for each side of the divider
const WORKERS = Math.min(4, navigator.hardwareConcurrency); // every core's: this thread waits meanwhile
const TILE = 256; // side, in pixels of the source: the upscaler's own default
const SETTLING = 300; // ms of runs until they are as quick as they get: the engine compiles them anew meanwhile

export class Enlarger {
  readonly #sessions = new Map<string, Promise<Upscaler>>();
  readonly times = new Times();

  /** @throws {CarafeError}, TypeError if a model cannot be loaded; the signal's reason */
  async enlarge(picture: Picture, method: Method, settings: Settings, run: Run): Promise<Result> {
    const { scale } = settings;
    const canvas = openCanvas(picture.width * scale, picture.height * scale);
    const context = context2d(canvas, true);
    context.imageSmoothingEnabled = method !== 'nearest';
    context.drawImage(picture.bitmap, 0, 0, canvas.width, canvas.height); // seen until the tiles are there
    run.onCanvas(canvas);
    if (method === 'nearest') return { canvas, seconds: 0, how: METHOD_NAMES.nearest };
    await run.after;
    return this.#byPackage(picture, method, settings, run, context);
  }

  async #byPackage(
    picture: Picture,
    model: Method,
    settings: Settings,
    { signal, onProgress }: Run,
    context: OffscreenCanvasRenderingContext2D,
  ): Promise<Result> {
    const session = await this.session(model, settings);
    signal.throwIfAborted();
    const begun = performance.now();
    let restore: Restore | undefined;
    const report = (progress: Progress): void => {
      restore = progress.restore;
      onProgress(progress.done / progress.total);
    };
    const file = await picture.file.arrayBuffer();
    const run = { signal, onProgress: report, restore: settings.restore, file };
    for await (const { x, y, image } of session.tiles(picture.bitmap, run)) // the file would be decoded anew
      context.putImageData(
        new ImageData(image.data as Uint8ClampedArray<ArrayBuffer>, image.width, image.height),
        x,
        y,
      );
    const seconds = (performance.now() - begun) / 1000;
    const { backend, details, workers } = session.info;
    const team = workers > 1 ? `, ${workers} workers` : '';
    return {
      canvas: context.canvas,
      seconds,
      how: `${model} on ${backend} (${details}${team})`,
      ...(isModel(model) && { restore }),
    };
  }

  /** An upscaler that is kept, with the one before it. */
  async session(model: Method, settings: Settings): Promise<Upscaler> {
    const { scale } = settings;
    const backend = isModel(model) ? settings.backend : 'wasm';
    const key = `${model} ${scale} ${backend}`;
    const session =
      this.#sessions.get(key) ?? createUpscaler({ model, scale, backend, workers: isModel(model) ? WORKERS : 1 });
    this.#sessions.delete(key);
    this.#sessions.set(key, session); // the newest is last
    session.catch(() => this.#sessions.delete(key));
    for (const [old, oldest] of this.#sessions) {
      if (this.#sessions.size <= SESSIONS) break;
      this.#sessions.delete(old);
      oldest.then(
        (upscaler) => upscaler.dispose(),
        () => {},
      );
    }
    return session;
  }

  /** Whether models run on the GPU, as far as is known yet. */
  onGpu({ backend }: Settings): boolean {
    return (backend === 'auto' ? this.times.auto : backend) === 'webgpu';
  }

  /**
   * Times every model that was not timed yet, all in the same way, on a whole tile for each worker: of less, what a call costs by
   * itself would be most. A picture's own run counts the drawing too, and could put a small model behind a larger one that was timed here.
   * @param idle resolves when nothing else is to be done
   * @throws the signal's reason: what was timed beside something else counts for nothing
   */
  async measure({ scale, backend }: Settings, idle: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const [width, height] = [TILE * WORKERS, TILE];
    const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : (i * 89) % 251));
    for (const model of MODELS) {
      if (this.times.has(model, scale, backend) || !(await idle())) continue;
      const upscaler = await createUpscaler({ model, scale, backend, workers: WORKERS, restore: 0, signal });
      try {
        const begun = performance.now();
        let quickest = Infinity;
        for (let run = 0; run < 3 || performance.now() - begun < SETTLING; run++) {
          const start = performance.now();
          await upscaler.upscale({ data, width, height }, { signal });
          quickest = Math.min(quickest, performance.now() - start);
        }
        const { backend: taken } = upscaler.info;
        this.times.measured(
          model,
          scale,
          taken,
          (quickest / 1000 / width / height) * workersFor(taken, { width, height }),
        );
      } finally {
        upscaler.dispose();
      }
    }
  }
}

/** Workers that share a picture. */
function workersFor(backend: BackendName, { width, height }: Size): number {
  return backend === 'webgpu' ? 1 : Math.min(WORKERS, Math.ceil(width / TILE) * Math.ceil(height / TILE));
}

/** Seconds a source pixel on one worker, by model, scale and backend. */
export class Times {
  readonly #rates = new Map<string, number>();
  /** What 'auto' comes to here, once an upscaler has told. */
  auto: BackendName | undefined;

  measured(model: Model, scale: number, backend: BackendName, rate: number): void {
    this.#rates.set(`${model} ${scale} ${backend}`, rate);
  }

  /** @param ratio of the other backend's time to this one's */
  compared(model: Model, scale: number, backend: BackendName, ratio: number): void {
    const other = backend === 'wasm' ? 'webgpu' : 'wasm';
    const rate = this.#rates.get(`${model} ${scale} ${backend}`);
    if (rate !== undefined && !this.has(model, scale, other)) this.measured(model, scale, other, rate * ratio);
  }

  has(model: Model, scale: number, backend: Settings['backend']): boolean {
    return this.#rates.has(`${model} ${scale} ${backend === 'auto' ? this.auto : backend}`);
  }

  /** Seconds for a picture, if it is known. */
  expected(size: Size, model: Model, { scale, backend }: Omit<Settings, 'restore'>): number | undefined {
    const taken = backend === 'auto' ? this.auto : backend;
    const rate = this.#rates.get(`${model} ${scale} ${taken}`);
    if (!taken || rate === undefined) return undefined;
    return (rate * size.width * size.height) / workersFor(taken, size);
  }
}

/** A canvas that has been seen to hold a pixel in its last corner. @throws {CarafeError} ImageTooLarge */
function openCanvas(width: number, height: number): OffscreenCanvas {
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = context2d(canvas, true);
    context.fillRect(width - 1, height - 1, 1, 1);
    const holds = context.getImageData(width - 1, height - 1, 1, 1).data[3] === 255;
    context.clearRect(width - 1, height - 1, 1, 1);
    if (holds) return canvas;
  } catch {
    // no context, or one that refuses: too large too
  }
  throw new CarafeError('ImageTooLarge', `Expected a canvas of ${width}x${height} pixels, got one that stays blank`);
}
