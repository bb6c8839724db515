// Starts one worker, in a page, a Node program, Deno or Bun. The worker is a file of its own, and its text is also
// carried inside the package (a chunk that is loaded only then) for where the file is not found, refused or not ours.
import * as Comlink from 'comlink';
import { CarafeError } from '../core/errors.js';
import type { OpenRequest } from '../engine/specs.js';
import { HANDSHAKE } from './handshake.js';
import type { Host } from './wire.js';

export interface Thread {
  readonly remote: Comlink.Remote<Host>;
  /** Calls back when the worker dies without being asked to. In a page a later callback takes an earlier one's place. */
  onCrash(callback: (reason: string) => void): void;
  /** Whether the worker keeps a Node process alive; browsers have no such thing. */
  keepAlive(on: boolean): void;
  terminate(): void;
}

/** A worker's file and how it is known. */
export interface WorkerFile {
  readonly handshake: string;
  readonly name: string;
  /** Bundlers look for `new URL('./file.js', import.meta.url)`, and replace it by the place they put the file at. */
  url(): URL;
  /** `import.meta.url` of the module that says so. */
  chunk(): string;
  /** What is in the file. */
  text(): Promise<string>;
}

/** The upscaler and the operator, on wasm and WebGPU. */
const WORKER: WorkerFile = {
  handshake: HANDSHAKE,
  name: 'carafe-web-worker.js',
  url: () => new URL('./carafe-web-worker.js', import.meta.url),
  chunk: () => import.meta.url,
  text: async () => (await import('../../dist/carafe-web-worker.js?text')).default,
};

/** The upscaler on wasm, two thirds of the size. Where its file is not found, the text of the whole worker is as good. */
const WASM_WORKER: WorkerFile = {
  ...WORKER,
  name: 'carafe-web-wasm-worker.js',
  url: () => new URL('./carafe-web-wasm-worker.js', import.meta.url),
};

/** The smallest worker that has all that is asked for. A page without a GPU sends no shaders. */
function workerFor({ spec, shaders }: OpenRequest): WorkerFile {
  return spec === 'upscaler' && !shaders ? WASM_WORKER : WORKER;
}

/** One way to start a worker, and what it is called in an error. */
type Way = readonly [name: string, start: () => Thread | Promise<Thread>];

/** Milliseconds that a worker has until it answers; the last way that is left has longer, for slow networks. */
const PATIENCE = 5_000;
const LAST_PATIENCE = 15_000;

/** The way that worked last is the first to try: the next workers need not wait for the same wrong file. */
let proven: string | undefined;

/** @throws {CarafeError} WorkerCrashed with a reason for each way that was tried. */
export async function spawn(
  request: OpenRequest,
  workerUrl: URL | undefined,
  file: WorkerFile = workerFor(request),
): Promise<Thread> {
  const reasons: string[] = [];
  const ways = waysHere(workerUrl, file).sort(([a], [b]) => Number(b === proven) - Number(a === proven));
  for (const [i, [name, start]] of ways.entries()) {
    try {
      const thread = await greeted(await start(), file.handshake, i < ways.length - 1 ? PATIENCE : LAST_PATIENCE);
      proven = name;
      return thread;
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  const got = reasons.join('; ') || 'a runtime without workers, or a Firefox worker';
  throw new CarafeError('WorkerCrashed', `Expected a worker to start, got ${got}`, { reasons });
}

/** The thread, once the worker has said that it is ours. */
async function greeted(thread: Thread, handshake: string, patience: number): Promise<Thread> {
  let timer: ReturnType<typeof setTimeout>;
  try {
    const answer = await Promise.race([
      thread.remote.ready(),
      new Promise<never>((_, reject) => {
        thread.onCrash((reason) => reject(new Error(reason)));
        timer = setTimeout(() => reject(new Error(`no answer in ${patience} ms`)), patience);
      }),
    ]);
    if (answer !== handshake) throw new Error(`not the worker of ${handshake}`);
    return thread;
  } catch (error) {
    thread.terminate();
    throw error;
  } finally {
    clearTimeout(timer!);
  }
}

function waysHere(workerUrl: URL | undefined, worker: WorkerFile): Way[] {
  const ways: Way[] = [];
  const threads = nodeThreads();
  if (threads) {
    const start = (url: URL): Promise<Thread> => nodeThread(threads, url);
    if (workerUrl) ways.push([`${workerUrl}`, () => start(workerUrl)]);
    else
      ways.push(
        ['file', () => start(worker.url())],
        ['inline', async () => start(new URL(`data:text/javascript,${encodeURIComponent(await worker.text())}`))],
      );
  }
  // A library may have made worker_threads' Worker global: a browser's Worker is the one that is an EventTarget.
  if (typeof globalThis.Worker?.prototype.addEventListener === 'function' && !newWorkerHangs()) {
    if (workerUrl) ways.push([`${workerUrl}`, () => browserThread(workerUrl.href)]);
    else {
      const file: Way = ['file', () => browserThread(worker.url().href)];
      // Scripts, not modules: pages of an opaque origin (sandboxed frames) refuse modules from blobs.
      const inline: Way[] = [
        ['blob', async () => browserThread(blobUrl(await worker.text()), 'classic')],
        [
          'data',
          async () => browserThread(`data:text/javascript,${encodeURIComponent(await worker.text())}`, 'classic'),
        ],
      ];
      // nor are blobs of such an origin a secure context, with WebGPU
      if (globalThis.origin === 'null') inline.reverse();
      ways.push(...(fileIsThere(worker) ? [file, ...inline] : [...inline, file]));
    }
  }
  return ways;
}

/**
 * In a worker of Firefox: seen in version 153 with scripts and modules, files and blobs, about once in a hundred, and
 * then the constructor itself never returns, so that no time limit helps.
 */
const newWorkerHangs = (): boolean => 'importScripts' in globalThis && /Firefox/.test(navigator.userAgent);

/**
 * False in a bundle of a bundler that does not know the expression of `url()`: there it means a file beside the bundle,
 * that nobody has put there, or that is another's. Elsewhere a bundler has replaced it, or this is still the chunk that
 * was built beside the file.
 */
function fileIsThere({ name, url, chunk }: WorkerFile): boolean {
  try {
    return (
      !url().pathname.endsWith(`/${name}`) || /\/carafe-web-[a-z-]+-[A-Z0-9]{8}\.js$/.test(new URL(chunk()).pathname) // chunkNames in scripts/build.js
    );
  } catch {
    return false; // no import.meta: a bundle that is no module
  }
}

function blobUrl(text: string): string {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  setTimeout(URL.revokeObjectURL, LAST_PATIENCE, url); // by then it has its script, or was given up
  return url;
}

function browserThread(url: string, type: WorkerType = 'module'): Thread {
  const worker = new Worker(trusted(url), { type, name: 'carafe-web' });
  return {
    remote: Comlink.wrap<Host>(worker),
    onCrash: (callback) => {
      worker.onerror = ({ message }) => callback(message || 'a script that did not load');
      worker.onmessageerror = () => callback('an unreadable message');
    },
    keepAlive: () => {},
    terminate: () => worker.terminate(),
  };
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}
/** Made once: a page need not allow a second of the same name. */
let policy: ReturnType<TrustedTypes['createPolicy']> | undefined;

/** For pages with `require-trusted-types-for 'script'`: the URL, vouched for by the policy `carafe-web`. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  try {
    policy ??= trustedTypes?.createPolicy('carafe-web', { createScriptURL: (vouched) => vouched });
  } catch {
    // the page's `trusted-types` does not name it: Worker says so, unless the page's default policy lets the URL pass
  }
  return policy?.createScriptURL(url) ?? url;
}

/**
 * Deno and Bun have workers of both kinds: only Node's let the process end. Electron's pages have a process, and no
 * threads.
 */
function nodeThreads() {
  const { process } = globalThis as { process?: NodeJS.Process & { type?: string } };
  return process?.type === 'renderer' ? undefined : process?.getBuiltinModule?.('node:worker_threads');
}

async function nodeThread(threads: NonNullable<ReturnType<typeof nodeThreads>>, url: URL): Promise<Thread> {
  const { default: nodeEndpoint } = await import('comlink/dist/esm/node-adapter.mjs'); // pages do not load it
  const resourceLimits = { maxYoungGenerationSizeMb: 1 }; // pixels are not on its heap
  const worker = new threads.Worker(url, { name: 'carafe-web', resourceLimits });
  const remote = Comlink.wrap<Host>(nodeEndpoint(worker));
  return {
    remote,
    onCrash: (callback) => {
      worker.once('error', (error) => callback(error.message));
      worker.once('exit', (code) => callback(`one that exited with code ${code}`));
    },
    keepAlive: (on) => (on ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  };
}
