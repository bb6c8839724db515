// The Node workers that the package starts, so that tests can kill them. They are known by the `case` in their URL.
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
import { afterAll, beforeAll } from 'vitest';

/** Workers by case, in the order they were started; to be called at the top of a test file. */
export function watchWorkers(): Map<string, threads.Worker[]> {
  const Real = threads.Worker;
  const workers = new Map<string, threads.Worker[]>();
  beforeAll(() => {
    threads.Worker = class extends Real {
      constructor(...args: ConstructorParameters<typeof Real>) {
        super(...args);
        const name = /case(?:=|%3D)(\w+)/.exec(String(args[0]))?.[1];
        if (name) workers.set(name, [...(workers.get(name) ?? []), this]);
      }
    };
    syncBuiltinESMExports();
  });
  afterAll(() => {
    threads.Worker = Real;
    syncBuiltinESMExports();
  });
  return workers;
}

/** The package's worker. */
export function workerUrl(name: string): URL {
  return new URL(`../dist/carafe-web-worker.js?case=${name}`, import.meta.url);
}

/** One that dies of its n-th message: the first two are of its start. */
export function mortalWorkerUrl(name: string, n: number): URL {
  return dyingWorkerUrl(name, `++messages === ${n}`);
}

/** One that dies of every message of more bytes. */
export function overloadedWorkerUrl(name: string, bytes: number): URL {
  return dyingWorkerUrl(name, `serialize(message).length > ${bytes}`);
}

/** One that cannot read its n-th message: there is no memory for it, or its buffers had gone before it was sent. */
export function puzzledWorkerUrl(name: string, n: number): URL {
  return dyingWorkerUrl(name, `++messages === ${n}`, "return parentPort.dispatchEvent(new Event('messageerror'))");
}

function dyingWorkerUrl(name: string, isLast: string, end = 'process.exit(3)'): URL {
  return new URL(
    `data:text/javascript,${encodeURIComponent(`// case=${name}
    import { serialize } from 'node:v8';
    import { parentPort } from 'node:worker_threads';
    const { on } = parentPort;
    let messages = 0;
    parentPort.on = (type, listen) => on.call(parentPort, type, (message) => {
      if (${isLast}) ${end};
      listen(message);
    });
    await import('${new URL('../dist/carafe-web-worker.js', import.meta.url)}');`)}`,
  );
}
