// The sessions behind one product: workers that share a queue, or one session on this thread. A worker that dies is started again.
import type { BackendName } from '../backends/backend.js';
import { CarafeError } from '../core/errors.js';
import { Queue } from '../engine/queue.js';
import type { Session, SessionInfo } from '../engine/session.js';
import type { FactsOf, OpenRequest, SpecName } from '../engine/specs.js';
import { WorkerSession } from './client.js';
import type { WorkerFile } from './spawn.js';

/** Workers that die are started again, so many times in RESTART_SECONDS. */
const RESTARTS = 8;
const RESTART_SECONDS = 60;

export interface PoolOptions {
  readonly thread: 'auto' | 'worker' | 'inline';
  readonly workerUrl: URL | undefined;
  /** At most. */
  readonly workers: number;
  readonly signal?: AbortSignal;
  /** By default those of the upscaler and the operator. */
  readonly workerFile?: WorkerFile;
  /** On this thread; likewise. */
  readonly open?: (request: OpenRequest) => Promise<Session>;
}

/** What runs, where, and why. */
export interface PoolInfo extends Omit<SessionInfo, 'facts'> {
  readonly thread: 'worker' | 'inline';
  /** Why not in a worker, if 'auto' did not take one. */
  readonly threadReason?: string;
  /** Workers that are alive; 0 inline. */
  readonly workers: number;
}

export interface Pool<Facts = unknown> {
  readonly info: PoolInfo;
  readonly facts: Facts;
  readonly queue: Queue<Facts>;
  /** Starts all workers there may be; otherwise they start as calls wait. */
  grow(): Promise<void>;
  /** Frees workers and memory; calls reject with Disposed. */
  dispose(): void;
}

/** @throws {CarafeError} BackendUnavailable, WorkerCrashed, what the spec throws; the signal's reason */
export async function openPool<Name extends SpecName>(
  request: OpenRequest<Name>,
  options: PoolOptions,
): Promise<Pool<FactsOf<Name>>> {
  type Result = Pool<FactsOf<Name>>;
  const { thread, open = openHere } = options;
  if (thread === 'inline') return (await openInline(request, open)) as Result;
  let chosen: PoolInfo | undefined;
  if (thread === 'auto' && mayUseGpu(request) && exitBreaksGpuWorkers()) {
    const here = await openInline(request, open, 'Deno may crash as it exits, once a worker has asked for a GPU');
    if (here.info.backend === 'webgpu') return here as Result;
    chosen = here.info;
    here.dispose();
  }
  try {
    return (await WorkerPool.open(request, options, chosen)) as Pool as Result;
  } catch (error) {
    if (thread === 'worker' || !mayRunInline(error, request)) throw error;
    return (await openInline(request, open, error.message)) as Result;
  }
}

const mayUseGpu = ({ backend }: OpenRequest): boolean => backend === 'auto' || backend.includes('webgpu');

/**
 * In Deno, whose workers let go of the GPU's driver while the driver ends with the program, which crashes or hangs: with
 * 2.9 and lavapipe one program in ten whose worker had only asked for an adapter; NVIDIA's driver is no better
 * (github.com/gfx-rs/wgpu/issues/8365). No promise and no event says that a worker has ended, for exit to wait for.
 */
const exitBreaksGpuWorkers = (): boolean => 'Deno' in globalThis;

/** No worker starts, or the reference is left of a list, which is not part of it. */
function mayRunInline(error: unknown, { backend }: OpenRequest): error is CarafeError {
  if (!(error instanceof CarafeError)) return false;
  return error.code === 'WorkerCrashed' || (error.code === 'BackendUnavailable' && backend.includes('reference'));
}

async function openHere(request: OpenRequest): Promise<Session> {
  const { openSession } = await import('../engine/specs.js'); // its own chunk: with workers the page does not need it
  return openSession(request);
}

async function openInline(
  request: OpenRequest,
  open: NonNullable<PoolOptions['open']>,
  threadReason?: string,
): Promise<Pool> {
  const session = await open(request);
  const queue = new Queue();
  queue.addRunner(session);
  return {
    get info() {
      return poolInfo(session.info, { thread: 'inline', ...(threadReason && { threadReason }), workers: 0 });
    },
    get facts() {
      return session.info.facts;
    },
    queue,
    async grow() {},
    dispose() {
      queue.close(disposed());
      session.dispose();
    },
  };
}

class WorkerPool implements Pool {
  readonly queue = new Queue(() => this.#growByOne());
  readonly #request: OpenRequest;
  readonly #options: PoolOptions;
  readonly #chosen: PoolInfo | undefined;
  readonly #alive = new Set<WorkerSession>();
  readonly #starting = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  #wanted = 1;
  /** Opened with the whole request: its info says why it is on this backend. */
  #first!: WorkerSession;
  #crashes: { readonly time: number; readonly error: CarafeError }[] = [];

  /** @param chosen Of this thread, if the workers are not to choose. */
  static async open(request: OpenRequest, options: PoolOptions, chosen?: PoolInfo): Promise<WorkerPool> {
    const pool = new WorkerPool(chosen ? { ...request, backend: [chosen.backend] } : request, options, chosen);
    pool.#add(await WorkerSession.open(pool.#request, options, options.signal), true);
    return pool;
  }

  private constructor(request: OpenRequest, options: PoolOptions, chosen: PoolInfo | undefined) {
    this.#request = request;
    this.#options = options;
    this.#chosen = chosen;
  }

  get info(): PoolInfo {
    const { rejected, timings } = this.#chosen ?? this.#first.info;
    return poolInfo({ ...this.#first.info, rejected, timings }, { thread: 'worker', workers: this.#alive.size });
  }

  get facts(): unknown {
    return this.#first.info.facts;
  }

  async grow(): Promise<void> {
    this.#wanted = this.#options.workers;
    this.#fill();
    await Promise.all(this.#starting);
  }

  dispose(): void {
    this.queue.close(disposed());
    this.#ended.abort();
    for (const worker of this.#alive) worker.dispose();
    this.#alive.clear();
  }

  #growByOne(): void {
    if (this.#starting.size === 0) this.#wanted = Math.min(this.#alive.size + 1, this.#options.workers);
    this.#fill();
  }

  /** Starts what is missing. One GPU is one GPU, however many workers feed it. */
  #fill(): void {
    const { backend } = this.#first.info;
    const wanted = backend === 'webgpu' ? 1 : this.#wanted;
    const long = performance.now() - RESTART_SECONDS * 1000;
    this.#crashes = this.#crashes.filter(({ time }) => time > long);
    while (this.#crashes.length <= RESTARTS && this.#alive.size + this.#starting.size < wanted) this.#start(backend);
    if (this.#alive.size + this.#starting.size === 0) this.queue.failAll(this.#crashes.at(-1)!.error);
  }

  #start(backend: BackendName): void {
    const first = backend === 'webgpu'; // chooses again
    const request = first ? this.#request : { ...this.#request, backend: [backend] };
    const { signal } = this.#ended;
    const start: Promise<void> = WorkerSession.open(request, this.#options, signal).then(
      (worker) => {
        this.#starting.delete(start);
        if (signal.aborted) worker.dispose();
        else this.#add(worker, first);
      },
      (error: CarafeError) => {
        this.#starting.delete(start);
        if (signal.aborted) return;
        this.#wanted = Math.max(1, this.#alive.size); // no more until calls wait again
        this.#crashed(error);
      },
    );
    this.#starting.add(start);
  }

  #add(worker: WorkerSession, first: boolean): void {
    if (first) this.#first = worker;
    this.#alive.add(worker);
    worker.onCrash((error) => {
      this.#alive.delete(worker);
      this.queue.removeRunner(worker);
      this.#crashed(error);
    });
    if (this.#alive.has(worker)) this.queue.addRunner(worker);
  }

  #crashed(error: CarafeError): void {
    this.#crashes.push({ time: performance.now(), error });
    this.#fill();
  }
}

function poolInfo(
  { backend, details, rejected, timings }: SessionInfo,
  where: Pick<PoolInfo, 'thread' | 'threadReason' | 'workers'>,
): PoolInfo {
  return { backend, details, rejected, timings, ...where };
}

const disposed = (): CarafeError => new CarafeError('Disposed', 'Expected a live object, got one that was disposed');
