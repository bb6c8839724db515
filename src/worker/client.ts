// Engines in workers, seen from the caller's thread. comlink alone leaves calls to a dead worker pending for ever, so every call is
// kept in a set that a crash or a terminate rejects.
import { transfer } from 'comlink';
import { CarafeError } from '../core/errors.js';
import type { RawImage, Tensor } from '../core/tensor.js';
import type { CarafeInfo, CarafeRunner, CarafeSpec } from '../engine/carafe-engine.js';
import type { TileJob } from '../engine/upscale-tile.js';
import type { EngineInfo, TileRunner, UpscalerSpec } from '../engine/upscaler-engine.js';
import { spawn, type Thread } from './spawn.js';
import { type Answer, moving, unpack } from './wire.js';

class EngineWorker {
  readonly #thread: Thread;
  readonly #pending = new Set<(error: CarafeError) => void>();
  #down: CarafeError | undefined;

  protected constructor(thread: Thread) {
    this.#thread = thread;
    thread.keepAlive(false);
    thread.onCrash((reason) =>
      this.#shut(new CarafeError('WorkerCrashed', `Expected the worker to stay alive, got ${reason}`)),
    );
  }

  /** Every pending and later call rejects with Disposed. */
  terminate(): void {
    this.#shut(new CarafeError('Disposed', 'Expected a live worker, got one that was disposed'));
  }

  protected async call<T>(invoke: (remote: Thread['remote']) => Promise<Answer<T>>): Promise<T> {
    if (this.#down) throw this.#down;
    let fail!: (error: CarafeError) => void;
    try {
      return await new Promise<T>((resolve, reject) => {
        fail = reject;
        this.#pending.add(fail);
        this.#thread.keepAlive(true);
        invoke(this.#thread.remote)
          .then((answer) => resolve(unpack(answer)))
          .catch(reject);
      });
    } finally {
      this.#pending.delete(fail);
      if (this.#pending.size === 0) this.#thread.keepAlive(false);
    }
  }

  #shut(reason: CarafeError): void {
    if (this.#down) return;
    this.#down = reason;
    this.#thread.terminate();
    for (const fail of this.#pending) fail(reason);
  }
}

export class UpscalerWorker extends EngineWorker implements TileRunner {
  info!: EngineInfo;

  /** @throws {CarafeError} WorkerCrashed, BackendUnavailable, ModelInvalid */
  static async create(spec: UpscalerSpec, workerUrl: URL | undefined): Promise<UpscalerWorker> {
    const worker = new UpscalerWorker(await spawn(workerUrl));
    try {
      worker.info = await worker.call((remote) => remote.openUpscaler(spec));
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return worker;
  }

  async runTiles(jobs: readonly TileJob[]): Promise<RawImage[]> {
    const { images, info } = await this.call((remote) =>
      remote.runTiles(
        transfer(
          jobs,
          jobs.map(({ image }) => image.data.buffer),
        ),
      ),
    ); // cut for these jobs: they may move
    this.info = info;
    return images;
  }
}

export class CarafeWorker extends EngineWorker implements CarafeRunner {
  info!: CarafeInfo;

  /** @throws {CarafeError} WorkerCrashed, BackendUnavailable */
  static async create(spec: CarafeSpec, workerUrl: URL | undefined): Promise<CarafeWorker> {
    const worker = new CarafeWorker(await spawn(workerUrl));
    try {
      worker.info = await worker.call((remote) => remote.openCarafe(spec));
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return worker;
  }

  /** x is the caller's: it is copied; `into` and the result are transferred. What is on a SharedArrayBuffer is neither. */
  predictKernels(x: Tensor): Promise<Tensor> {
    return this.call((remote) => remote.predictKernels(x));
  }

  upsample(x: Tensor, into?: Float32Array): Promise<Tensor> {
    return this.call((remote) => remote.upsample(x, into && transfer(into, moving(into))));
  }
}
