// Calls share runners through one queue. A call is done in pieces, and a piece is prepared when a runner is free to take it: so memory does
// not grow with what waits, and what is cancelled costs nothing but the pieces already begun.
// Which call is next: in turns the one that came first and the one with the least left. A small picture does not wait for a large one, equal
// ones are done one after the other instead of all at the end, and none waits for ever.
// Whatever goes wrong ends the call that it belongs to: #begin catches all there is.
import { onAbort } from '../core/abort.js';
import { asCarafeError, type CarafeError } from '../core/errors.js';
import type { Job, Run, SessionInfo } from './session.js';

/** What runs jobs: a session on this thread, or one in a worker. */
export interface Runner<Facts = unknown> {
  readonly info: SessionInfo<Facts>;
  run(job: Prepared): Run;
}

/** A program to run, and what of its arguments moves to another thread. */
export interface Work extends Omit<Job, 'backend'> {
  readonly transfer: readonly ArrayBuffer[];
}

/** The same for a runner whose backend is known. */
export type Prepared = Work & Job;

/** Work of a call that one job does. */
export interface Piece<Facts> {
  /** The job, made for a session of this info, and anew if it has to be tried again. */
  prepare(info: SessionInfo<Facts>): Work | Promise<Work>;
  done(value: unknown): void;
}

export interface Call<Facts> {
  /** Work not begun, in any unit; 0 if there is none now. */
  readonly left: number;
  next(info: SessionInfo<Facts>): Piece<Facts>;
  /** The end of the call, at most once. */
  fail(error: unknown): void;
}

/** So that one job computes while another one travels. */
const JOBS_PER_RUNNER = 2;
/** Times that a piece may meet the death of its worker. */
const TRIES = 2;

interface Waiting<Facts> {
  readonly call: Call<Facts>;
  readonly again: Attempt<Facts>[]; // pieces to be tried once more
  readonly runs: Set<Run>;
  stop: () => void; // listening to the signal
}

interface Attempt<Facts> {
  readonly piece: Piece<Facts>;
  crashes: number;
}

export class Queue<Facts> {
  readonly #calls = new Map<Call<Facts>, Waiting<Facts>>(); // in the order they came
  readonly #runners = new Map<Runner<Facts>, number>(); // and how many jobs they have
  readonly #onBusy: () => void;
  #oldestNext = true;
  #closed: CarafeError | undefined;

  /** @param onBusy Every runner has a job. */
  constructor(onBusy: () => void = () => {}) {
    this.#onBusy = onBusy;
  }

  /** How many jobs can be under way. */
  get slots(): number {
    return JOBS_PER_RUNNER * Math.max(1, this.#runners.size);
  }

  addRunner(runner: Runner<Facts>): void {
    this.#runners.set(runner, 0);
    this.wake();
  }

  removeRunner(runner: Runner<Facts>): void {
    this.#runners.delete(runner);
  }

  /** @throws {CarafeError} what it was closed with */
  assertOpen(): void {
    if (this.#closed) throw this.#closed;
  }

  /** Until it is removed or fails. */
  add(call: Call<Facts>, signal?: AbortSignal): void {
    if (this.#closed) {
      call.fail(this.#closed);
      return;
    }
    const waiting: Waiting<Facts> = { call, again: [], runs: new Set(), stop: () => {} };
    this.#calls.set(call, waiting);
    waiting.stop = onAbort(signal, () => this.#fail(call, signal!.reason));
    this.wake();
  }

  /** Nothing more of it begins. */
  remove(call: Call<Facts>): void {
    const waiting = this.#calls.get(call);
    if (!waiting) return;
    this.#calls.delete(call);
    waiting.stop();
    for (const run of waiting.runs) run.drop();
  }

  /** A call of one job, however small: its result. `work` is its size beside that of others. */
  call<T>(work: number, prepare: Piece<Facts>['prepare'], signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = {
        left: work || 1,
        next: () => {
          call.left = 0;
          return {
            prepare,
            done: (value: unknown) => {
              this.remove(call);
              resolve(value as T);
            },
          };
        },
        fail: reject,
      };
      this.add(call, signal);
    });
  }

  /** Ends all calls there are. */
  failAll(error: CarafeError): void {
    for (const call of [...this.#calls.keys()]) this.#fail(call, error);
  }

  /** And those to come. */
  close(error: CarafeError): void {
    this.#closed = error;
    this.failAll(error);
  }

  /** Begins what can begin; to be called when a call has work again. */
  wake(): void {
    for (;;) {
      const runner = this.#leastBusy();
      const waiting = runner && this.#pick();
      if (!waiting) break;
      this.#oldestNext = !this.#oldestNext;
      void this.#begin(runner, waiting);
    }
    let jobs = 0;
    for (const count of this.#runners.values()) jobs += count;
    if (jobs > this.#runners.size || (jobs === this.#runners.size && this.#pick())) this.#onBusy();
  }

  /** One attempt at one piece. Never rejects. */
  async #begin(runner: Runner<Facts>, waiting: Waiting<Facts>): Promise<void> {
    const { call, again, runs } = waiting;
    let attempt: Attempt<Facts> | undefined;
    this.#count(runner, 1);
    try {
      attempt = again.shift() ?? { piece: call.next(runner.info), crashes: 0 };
      const { backend } = runner.info;
      const prepared = attempt.piece.prepare(runner.info);
      // Sent in the turn that made it: in the next one another call may move the same memory.
      const work = prepared instanceof Promise ? await prepared : prepared;
      if (this.#calls.get(call) === waiting) {
        const run = runner.run({ ...work, backend });
        runs.add(run);
        const outcome = await run.outcome.finally(() => runs.delete(run));
        if ('again' in outcome) again.push(attempt);
        else if (this.#calls.get(call) === waiting) attempt.piece.done(outcome.value);
      }
    } catch (error) {
      const failure = asCarafeError(error, 'InvalidOption', 'arguments left as they are until the call settles');
      if (attempt && failure.code === 'WorkerCrashed' && ++attempt.crashes < TRIES) again.push(attempt);
      else this.#fail(call, failure);
    }
    this.#count(runner, -1);
    this.wake();
  }

  #count(runner: Runner<Facts>, more: number): void {
    const jobs = this.#runners.get(runner);
    if (jobs !== undefined) this.#runners.set(runner, jobs + more);
  }

  /** undefined if all have what they can take. */
  #leastBusy(): Runner<Facts> | undefined {
    let least: Runner<Facts> | undefined;
    let jobs = JOBS_PER_RUNNER;
    for (const [runner, count] of this.#runners) {
      if (count < jobs) [least, jobs] = [runner, count];
    }
    return least;
  }

  /** The oldest call with work to begin, or the one with the least of it. */
  #pick(): Waiting<Facts> | undefined {
    let oldest: Waiting<Facts> | undefined;
    let smallest: Waiting<Facts> | undefined;
    let least = Infinity;
    for (const waiting of this.#calls.values()) {
      const work = waiting.call.left + waiting.again.length;
      if (work === 0) continue;
      oldest ??= waiting;
      if (work < least) [smallest, least] = [waiting, work];
    }
    return this.#oldestNext ? oldest : smallest;
  }

  #fail(call: Call<Facts>, error: unknown): void {
    if (!this.#calls.has(call)) return;
    this.remove(call);
    call.fail(error);
  }
}
