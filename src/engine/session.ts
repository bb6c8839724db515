// A session runs one network on one thread: it opens the backends that may be chosen, keeps the quickest, runs the network's programs, and
// goes on with the next backend if the GPU fails. What a network is, it says in a Spec; specs.ts has them all.
import type { Backend, BackendName } from '../backends/backend.js';
import { type BackendRequest, candidates, openBackend, type Rejection, unavailable } from '../backends/select.js';
import { asCarafeError, CarafeError } from '../core/errors.js';
import { turn } from '../core/turn.js';

/** How a session opens a network; once for each backend that is tried. */
export interface Spec<Options = unknown, Facts = unknown> {
  /** A GPU may store tensors as f16: what the programs make are bytes. */
  readonly half: boolean;
  /** @throws {CarafeError} ModelInvalid and the like, if the options are at fault. */
  open(backend: Backend, options: Options): Network<Facts>;
}

/** A network on one backend. */
export interface Network<Facts = unknown> {
  /** What the caller's thread has to know about it; plain data. */
  readonly facts: Facts;
  /** What can be run, by name. Arguments and results cross threads. */
  readonly programs: Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;
  /** The facts where they depend on how quick the backend is: asked for once, of the one that is taken. */
  measure?(): Promise<Facts>;
  /** Typical work on a map or tile of side x side pixels. The first compiles what all later ones need. */
  probe(side: number): Promise<unknown>;
}

export interface SessionInfo<Facts = unknown> {
  readonly backend: BackendName;
  /** The wasm build or the GPU adapter. */
  readonly details: string;
  readonly rejected: readonly Rejection[];
  /** Milliseconds of a probe of 64x64 pixels, where there was a choice. */
  readonly timings: Readonly<Partial<Record<BackendName, number>>>;
  readonly facts: Facts;
}

/** One run of a program, prepared for one backend: what a tile is cut with depends on it. */
export interface Job {
  readonly backend: BackendName;
  readonly program: string;
  readonly args: readonly unknown[];
}

/** `again`: nothing was computed, the session is on another backend now. */
export type Outcome = { readonly value: unknown } | { readonly again: true };

export interface Run {
  readonly outcome: Promise<Outcome>;
  /** Nobody waits for it any more: not begun, it never is, and its outcome is `again`. */
  drop(): void;
}

const WARM_UP = 8; // pixels on a side: compiles
const TIMED = 64;
const HELD = 8; // ms
const PATIENCE = 20_000; // ms until a GPU that does not answer is given up; while it runs a program the backend sees to that

interface Loaded {
  readonly backend: Backend;
  readonly network: Network;
}

export class Session {
  readonly #spec: Spec;
  readonly #request: BackendRequest;
  readonly #options: unknown;
  readonly #rejected: Rejection[] = [];
  #loaded: Loaded | undefined;
  #info?: SessionInfo;
  #moving: Promise<void> | undefined;
  #resting: Promise<void> | undefined;
  #held = 0; // ms of work since it rested
  #disposed = false;

  /** @throws {CarafeError} BackendUnavailable with a reason for each backend; what the spec throws about its options */
  static async open(spec: Spec, request: BackendRequest, options: unknown): Promise<Session> {
    const session = new Session(spec, request, options);
    await session.#choose(candidates(request));
    return session;
  }

  private constructor(spec: Spec, request: BackendRequest, options: unknown) {
    this.#spec = spec;
    this.#request = request;
    this.#options = options;
  }

  get info(): SessionInfo {
    return this.#info!;
  }

  /** Runs begin in order, and let messages in between: what was dropped by then never begins. */
  run(job: Job): Run {
    let dropped = false;
    const drop = (): void => {
      dropped = true;
    };
    return { outcome: this.#run(job, () => dropped), drop };
  }

  /** Everything pending and to come rejects with Disposed. */
  dispose(): void {
    this.#disposed = true;
    this.#loaded?.backend.dispose();
    this.#loaded = undefined;
  }

  async #run({ backend, program, args }: Job, dropped: () => boolean): Promise<Outcome> {
    while (this.#moving || this.#resting) await (this.#moving ?? this.#resting);
    const loaded = this.#alive();
    if (dropped() || backend !== loaded.backend.name) return { again: true };
    try {
      const begun = performance.now();
      const value = loaded.network.programs[program](...(args as never[])); // on wasm all is done when this returns
      this.#rest(performance.now() - begun);
      return { value: await value };
    } catch (error) {
      this.#alive();
      const failure = asCarafeError(error, 'BackendUnavailable', `the ${backend} backend to run "${program}"`);
      if (backend !== 'webgpu' || isOfOptions(failure)) throw failure;
      if (loaded === this.#loaded) {
        // the first of those that failed together
        this.#moving ??= this.#moveFrom(loaded, failure).finally(() => {
          this.#moving = undefined;
        });
        await this.#moving;
      }
      return { again: true };
    }
  }

  /** After HELD ms of work the next run begins in another task, behind the messages that have come meanwhile. */
  #rest(milliseconds: number): void {
    this.#held += milliseconds;
    if (this.#held < HELD) return;
    this.#held = 0;
    this.#resting = turn().then(() => {
      this.#resting = undefined;
    });
  }

  /** To the backends behind the one that failed. @throws {CarafeError} `failure`, if there are none or none works. */
  async #moveFrom(failed: Loaded, failure: CarafeError): Promise<void> {
    const names = candidates(this.#request);
    const left = names.slice(names.indexOf(failed.backend.name) + 1);
    if (left.length === 0) throw failure;
    this.#rejected.push({ backend: failed.backend.name, reason: failure.message });
    await this.#choose(left).catch(() => {
      throw failure;
    });
    failed.backend.dispose();
  }

  /** Opens those that may be taken and takes the quickest; of a list, the first that works. */
  async #choose(names: readonly BackendName[]): Promise<void> {
    const opened: Loaded[] = [];
    for (const name of names) {
      const loaded = await this.#attempt(name, () => this.#open(name));
      if (loaded) opened.push(loaded);
      if (loaded && this.#request.backend !== 'auto') break;
    }
    const timings: Partial<Record<BackendName, number>> = { ...this.#info?.timings };
    if (opened.length > 1) {
      for (const loaded of [...opened]) {
        const { name } = loaded.backend;
        timings[name] = await this.#attempt(name, () => this.#time(loaded));
        if (timings[name] === undefined) opened.splice(opened.indexOf(loaded), 1)[0].backend.dispose();
      }
      opened.sort((a, b) => timings[a.backend.name]! - timings[b.backend.name]!);
    }
    const [chosen, ...slower] = opened;
    if (!chosen) throw unavailable(this.#rejected);
    const { name, details } = chosen.backend;
    for (const { backend } of slower) {
      const reason = `slower here: ${timings[backend.name]!.toFixed(1)} ms, ${name} ${timings[name]!.toFixed(1)} ms`;
      this.#rejected.push({ backend: backend.name, reason });
      backend.dispose();
    }
    if (this.#disposed) chosen.backend.dispose();
    else this.#loaded = chosen;
    const facts = await measured(chosen.network);
    this.#info = { backend: name, details, rejected: [...this.#rejected], timings, facts };
  }

  /** Whatever fails is why the backend is not taken, unless the options are at fault. */
  async #attempt<T>(backend: BackendName, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isOfOptions(error)) throw error;
      this.#rejected.push({ backend, reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  async #open(name: BackendName): Promise<Loaded> {
    const opening = openBackend(name, this.#request, this.#spec.half);
    const backend = await (name === 'webgpu' ? within(PATIENCE, opening, (late) => late.dispose()) : opening);
    try {
      const network = this.#spec.open(backend, this.#options);
      const loaded = { backend, network };
      if (name === 'webgpu') await this.#probe(loaded, WARM_UP); // compiles now, not in the first call
      return loaded;
    } catch (error) {
      backend.dispose();
      throw error;
    }
  }

  async #time(loaded: Loaded): Promise<number> {
    await this.#probe(loaded, TIMED); // allocates
    const start = performance.now();
    await this.#probe(loaded, TIMED);
    return performance.now() - start;
  }

  /** Compiling takes as long as it takes, unless there is another backend. */
  #probe({ backend, network }: Loaded, side: number): Promise<unknown> {
    const probing = network.probe(side);
    const patient = backend.name !== 'webgpu' || candidates(this.#request).length === 1;
    return patient ? probing : within(PATIENCE, probing);
  }

  #alive(): Loaded {
    if (!this.#loaded) throw new CarafeError('Disposed', 'Expected a live session, got one that was disposed');
    return this.#loaded;
  }
}

/** What fails here fails again in the first run, which then goes on elsewhere. */
async function measured({ facts, measure }: Network): Promise<unknown> {
  return (await measure?.().catch(() => undefined)) ?? facts;
}

/** @throws {CarafeError} DeviceLost after so many milliseconds; what comes after that goes to `late`. */
function within<T>(milliseconds: number, promise: Promise<T>, late: (value: T) => void = () => {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new CarafeError('DeviceLost', `Expected the GPU to answer within ${milliseconds / 1000} s, got nothing`));
      promise.then(late, () => {});
    }, milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Another backend would refuse them as well. */
function isOfOptions(error: unknown): boolean {
  return error instanceof CarafeError && ['ModelInvalid', 'InvalidOption', 'ShapeMismatch'].includes(error.code);
}
