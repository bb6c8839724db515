// A session in a worker, seen from the caller's thread. comlink alone leaves calls to a dead worker pending for ever, so every call is
// kept in a set that a crash or dispose() rejects.
import { transfer } from 'comlink';
import { onAbort, unlessAborted } from '../core/abort.js';
import { asCarafeError, CarafeError } from '../core/errors.js';
import type { Prepared, Runner } from '../engine/queue.js';
import type { Job, Outcome, Run, SessionInfo } from '../engine/session.js';
import type { OpenRequest } from '../engine/specs.js';
import { spawn, type Thread, type WorkerFile } from './spawn.js';
import { type Answer, resultOf } from './wire.js';

export class WorkerSession implements Runner {
  info!: SessionInfo;
  readonly #thread: Thread;
  readonly #pending = new Set<(error: CarafeError) => void>();
  #down: CarafeError | undefined;
  #onCrash: (error: CarafeError) => void = () => {};
  #jobs = 0;

  /** @throws {CarafeError} WorkerCrashed; as Session.open; the signal's reason */
  static async open(
    request: OpenRequest,
    { workerUrl, workerFile }: { readonly workerUrl: URL | undefined; readonly workerFile?: WorkerFile },
    signal?: AbortSignal,
  ): Promise<WorkerSession> {
    const spawning = spawn(request, workerUrl, workerFile);
    const worker = new WorkerSession(await unlessAborted(signal, spawning, (late) => late.terminate()));
    const stop = onAbort(signal, () => worker.dispose());
    try {
      worker.info = await worker.#call((remote) => remote.open(request));
      return worker;
    } catch (error) {
      worker.dispose();
      signal?.throwIfAborted();
      throw error;
    } finally {
      stop();
    }
  }

  private constructor(thread: Thread) {
    this.#thread = thread;
    thread.keepAlive(false);
    thread.onCrash((reason) => this.#end(new CarafeError('WorkerCrashed', `Expected a live worker, got ${reason}`)));
  }

  /** Calls back once the worker has died without being asked to, before its calls hear of it. */
  onCrash(callback: (error: CarafeError) => void): void {
    if (this.#down) callback(this.#down);
    else this.#onCrash = callback;
  }

  run({ transfer: moved, ...job }: Prepared): Run {
    const id = this.#jobs++;
    return {
      outcome: this.#run(id, transfer(job, [...moved])),
      drop: () => {
        if (!this.#down) this.#thread.remote.drop(id).catch(() => {});
      },
    };
  }

  /** Every pending and later call rejects with Disposed. */
  dispose(): void {
    this.#end(new CarafeError('Disposed', 'Expected a live worker, got one that was disposed'));
  }

  async #run(id: number, job: Job): Promise<Outcome> {
    const { outcome, info } = await this.#call((remote) => remote.run(id, job));
    this.info = info;
    return outcome;
  }

  async #call<T>(invoke: (remote: Thread['remote']) => Promise<Answer<T>>): Promise<T> {
    if (this.#down) throw this.#down;
    let fail!: (error: CarafeError) => void;
    try {
      return await new Promise<T>((resolve, reject) => {
        fail = reject;
        this.#pending.add(fail);
        this.#thread.keepAlive(true);
        invoke(this.#thread.remote)
          .then((answer) => resolve(resultOf(answer)))
          .catch((error) => reject(asCarafeError(error, 'InvalidOption', 'cloneable values')));
      });
    } finally {
      this.#pending.delete(fail);
      if (this.#pending.size === 0) this.#thread.keepAlive(false);
    }
  }

  #end(reason: CarafeError): void {
    if (this.#down) return;
    this.#down = reason;
    this.#thread.terminate();
    if (reason.code === 'WorkerCrashed') this.#onCrash(reason);
    for (const fail of this.#pending) fail(reason);
  }
}
