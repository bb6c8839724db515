// The queue over runners that only pretend: who is next, what is prepared when, and that every failure ends its call
// and nothing else.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CarafeError } from '../src/core/errors.js';
import { type Call, type Piece, Queue, type Runner, type Work } from '../src/engine/queue.js';
import type { Outcome, SessionInfo } from '../src/engine/session.js';

const info: SessionInfo = { backend: 'wasm', details: '', rejected: [], timings: {}, facts: {} };

/** A runner that takes a turn for a job, one after the other. */
class FakeRunner implements Runner {
  readonly info = info;
  readonly begun: unknown[] = [];
  readonly dropped: unknown[] = [];
  outcome: (job: Work) => Promise<Outcome> = async ({ args: [value] }) => ({ value });
  #last: Promise<unknown> = Promise.resolve();

  run(job: Work) {
    this.begun.push(job.args[0]);
    const outcome = this.#last.then(() => sleep(1)).then(() => this.outcome(job));
    this.#last = outcome.catch(() => {});
    return { outcome, drop: () => void this.dropped.push(job.args[0]) };
  }
}

/** A call of `count` pieces; `ended` resolves to its name or the error. */
function pieces(queue: Queue<unknown>, name: string, count: number, change: Partial<Piece<unknown>> = {}) {
  const seen: string[] = [];
  const state = { prepared: 0, max: 0 };
  let end!: (value: unknown) => void;
  const ended = new Promise<unknown>((resolve) => {
    end = resolve;
  });
  const call: Call<unknown> & { left: number } = {
    left: count,
    next: () => {
      const piece = `${name}${count - call.left--}`;
      return {
        prepare: () => {
          state.max = Math.max(state.max, ++state.prepared);
          return { program: 'p', args: [piece], transfer: [] };
        },
        done: (value) => {
          state.prepared--;
          seen.push(value as string);
          if (seen.length === count) {
            queue.remove(call);
            end(name);
          }
        },
        ...change,
      };
    },
    fail: end,
  };
  return { call, ended, seen, state };
}

describe('who is next', () => {
  test('of eight equal calls the first finishes first, long before the last', async () => {
    const queue = new Queue();
    const runner = new FakeRunner();
    queue.addRunner(runner);
    const calls = Array.from({ length: 8 }, (_, i) => pieces(queue, `${i}.`, 4));
    const order: unknown[] = [];
    for (const { call, ended } of calls) {
      queue.add(call);
      void ended.then((name) => order.push(name, runner.begun.length));
    }
    await Promise.all(calls.map(({ ended }) => ended));
    expect(order.filter((_, i) => i % 2 === 0)).toEqual(['0.', '1.', '2.', '3.', '4.', '5.', '6.', '7.']);
    expect(order[1]).toBeLessThanOrEqual(6); // jobs begun by then, of 32
  });

  test('a small call does not wait for a large one, nor the large one for ever for small ones', async () => {
    const queue = new Queue();
    const runner = new FakeRunner();
    queue.addRunner(runner);
    const large = pieces(queue, 'L', 40);
    queue.add(large.call);
    await sleep(5);
    const before = runner.begun.length;
    let smalls = 0;
    let over = false;
    void large.ended.then(() => {
      over = true;
    });
    while (!over) {
      const small = pieces(queue, `s${smalls++}.`, 1);
      queue.add(small.call);
      await Promise.race([small.ended, large.ended]);
    }
    expect(runner.begun.indexOf('s0.0') - before).toBeLessThanOrEqual(2);
    expect(large.seen).toHaveLength(40);
    expect(smalls).toBeLessThanOrEqual(45); // turn by turn
  });

  test('two jobs go to two runners, and no more is prepared than can be under way', async () => {
    const queue = new Queue();
    const runners = [new FakeRunner(), new FakeRunner()];
    for (const runner of runners) queue.addRunner(runner);
    const two = pieces(queue, 'a', 2);
    queue.add(two.call);
    await two.ended;
    expect(runners.map(({ begun }) => begun.length)).toEqual([1, 1]);
    const many = pieces(queue, 'b', 50);
    queue.add(many.call);
    await many.ended;
    expect(many.state.max).toBe(queue.slots);
  });
});

test('a job is sent before another is prepared: two may be given the same memory, which moves with the first', async () => {
  const queue = new Queue();
  const runner = new FakeRunner();
  queue.addRunner(runner);
  const begun: number[] = [];
  const prepare = () => {
    begun.push(runner.begun.length);
    return { program: 'p', args: [0], transfer: [] };
  };
  await Promise.all([queue.call(1, prepare), queue.call(1, prepare)]);
  expect(begun).toEqual([0, 1]);
});

test('what is cancelled begins no more, and what has begun is dropped', async () => {
  const queue = new Queue();
  const runner = new FakeRunner();
  queue.addRunner(runner);
  const controller = new AbortController();
  const { call, ended, seen } = pieces(queue, 'a', 20);
  queue.add(call, controller.signal);
  await sleep(0);
  controller.abort('enough');
  expect(await ended).toBe('enough');
  const other = pieces(queue, 'b', 1);
  queue.add(other.call);
  await other.ended;
  expect(runner.begun).toEqual(['a0', 'a1', 'b0']);
  expect(runner.dropped).toEqual(['a0', 'a1']);
  expect(seen).toEqual([]);
});

describe('whatever fails ends its call, once, and the others go on', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const failures: Record<
    string,
    (runner: FakeRunner, call: ReturnType<typeof pieces>['call']) => Partial<Piece<unknown>>
  > = {
    'next throws': (_, call) => {
      call.next = boom;
      return {};
    },
    'prepare throws': () => ({ prepare: boom }),
    'prepare rejects': () => ({ prepare: async () => boom() }),
    'run throws': (runner) => {
      const { run } = runner;
      runner.run = (job) => {
        runner.run = run;
        return String(job.args[0]).startsWith('bad') ? boom() : run.call(runner, job);
      };
      return {};
    },
    'the outcome rejects': (runner) => {
      runner.outcome = async ({ args: [value] }) => (String(value).startsWith('bad') ? boom() : { value });
      return {};
    },
    'done throws': () => ({ done: boom }),
    'memory is refused': () => ({
      prepare: () => {
        throw new RangeError('Array buffer allocation failed');
      },
    }),
  };
  test.each(Object.keys(failures))('%s', async (name) => {
    const queue = new Queue();
    const runner = new FakeRunner();
    queue.addRunner(runner);
    const change: Partial<Piece<unknown>> = {};
    const bad = pieces(queue, 'bad', 5, change);
    Object.assign(change, failures[name](runner, bad.call));
    const good = pieces(queue, 'good', 5);
    queue.add(bad.call);
    queue.add(good.call);
    const error = await bad.ended;
    expect(error).toBeInstanceOf(CarafeError);
    expect((error as CarafeError).code).toBe(name === 'memory is refused' ? 'OutOfMemory' : 'InvalidOption');
    expect(await good.ended).toBe('good');
    const later = pieces(queue, 'later', 3);
    queue.add(later.call);
    expect(await later.ended).toBe('later');
  });
});

test('a piece that meets the death of its worker is tried once more elsewhere, then it is the end of the call', async () => {
  const queue = new Queue();
  const dying = (): FakeRunner => {
    const runner = new FakeRunner();
    runner.outcome = async () => {
      queue.removeRunner(runner);
      throw new CarafeError('WorkerCrashed', 'died');
    };
    queue.addRunner(runner);
    return runner;
  };
  dying();
  const lucky = pieces(queue, 'a', 1);
  queue.add(lucky.call);
  await sleep(10);
  queue.addRunner(new FakeRunner());
  expect(await lucky.ended).toBe('a');

  const unlucky = new Queue();
  const call = pieces(unlucky, 'b', 1);
  for (const _ of [1, 2, 3]) {
    const runner = new FakeRunner();
    runner.outcome = async () => {
      unlucky.removeRunner(runner);
      throw new CarafeError('WorkerCrashed', 'died');
    };
    unlucky.addRunner(runner);
  }
  unlucky.add(call.call);
  expect(await call.ended).toMatchObject({ code: 'WorkerCrashed' });
  expect(unlucky.slots).toBe(2); // one of the three is alive
});

test('a job that has to be run again is prepared for the new backend', async () => {
  const queue = new Queue();
  const runner = new FakeRunner() as FakeRunner & { info: SessionInfo };
  runner.outcome = async ({ args: [value] }) => {
    if (runner.info.backend === 'wasm') return { value };
    runner.info = info;
    return { again: true };
  };
  runner.info = { ...info, backend: 'webgpu' };
  queue.addRunner(runner);
  expect(await queue.call(1, ({ backend }) => ({ program: 'p', args: [backend], transfer: [] }))).toBe('wasm');
});
