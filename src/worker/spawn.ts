// Starts one worker, in a page, a Node program, Deno or Bun: from its own file first, which every bundler but one finds through
// `new URL(..., import.meta.url)`, else from its source carried inside the package (a chunk that is loaded only then).
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { CarafeError } from '../core/errors.js';
import type { Host } from './wire.js';

export interface Thread {
  readonly remote: Comlink.Remote<Host>;
  /** Calls back once, when the worker dies without being asked to. */
  onCrash(callback: (reason: string) => void): void;
  /** Whether the worker keeps a Node process alive; browsers have no such thing. */
  keepAlive(on: boolean): void;
  terminate(): void;
}

/** @throws {CarafeError} WorkerCrashed with a reason for each way that was tried. */
export async function spawn(workerUrl: URL | undefined): Promise<Thread> {
  const reasons: string[] = [];
  for (const source of workerUrl ? [workerUrl] : (['file', 'inline'] as const)) {
    try {
      return await start(source);
    } catch (error) {
      reasons.push(`${source}: ${(error as Error).message}`);
    }
  }
  throw new CarafeError('WorkerCrashed', `Expected a worker to start, got ${reasons.join('; ')}`, { reasons });
}

async function start(source: URL | 'file' | 'inline'): Promise<Thread> {
  // In Node a library may have made worker_threads' Worker global: a browser's Worker is the one that is an EventTarget.
  const thread =
    typeof globalThis.Worker?.prototype.addEventListener === 'function'
      ? await browserThread(source)
      : await nodeThread(source);
  const ready = thread.remote.ready();
  ready.catch(() => {});
  try {
    await Promise.race([ready, new Promise((_, reject) => thread.onCrash((reason) => reject(new Error(reason))))]);
  } catch (error) {
    thread.terminate();
    throw error;
  }
  return thread;
}

async function browserThread(source: URL | 'file' | 'inline'): Promise<Thread> {
  let worker: Worker;
  if (source === 'file') {
    worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'carafe-web' }); // bundlers look for this very expression
  } else if (source === 'inline') {
    const url = URL.createObjectURL(new Blob([await inlineSource()], { type: 'text/javascript' }));
    worker = new Worker(url, { type: 'module', name: 'carafe-web' });
    worker.addEventListener('message', () => URL.revokeObjectURL(url), { once: true }); // not before it has loaded
  } else {
    worker = new Worker(source, { type: 'module', name: 'carafe-web' });
  }
  return {
    remote: Comlink.wrap<Host>(worker),
    onCrash: (callback) => {
      worker.addEventListener('error', (event) => callback(event.message || 'the worker script could not be loaded'), {
        once: true,
      });
      worker.addEventListener('messageerror', () => callback('a message could not be read'), { once: true });
    },
    keepAlive: () => {},
    terminate: () => worker.terminate(),
  };
}

async function nodeThread(source: URL | 'file' | 'inline'): Promise<Thread> {
  const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
  if (!threads) throw new Error('this runtime has no workers');
  const url =
    source === 'file'
      ? new URL('./worker.js', import.meta.url)
      : source === 'inline'
        ? new URL(`data:text/javascript,${encodeURIComponent(await inlineSource())}`)
        : source;
  const worker = new threads.Worker(url, { name: 'carafe-web', resourceLimits: { maxYoungGenerationSizeMb: 1 } }); // pixels are not on its heap
  const remote = Comlink.wrap<Host>(nodeEndpoint(worker));
  return {
    remote,
    onCrash: (callback) => {
      worker.once('error', (error) => callback(error.message));
      worker.once('exit', (code) => callback(`the worker exited with code ${code}`));
    },
    keepAlive: (on) => (on ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  };
}

async function inlineSource(): Promise<string> {
  return (await import('../../dist/worker.js?text')).default;
}
