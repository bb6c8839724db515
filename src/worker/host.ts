// A worker's side: a session behind comlink, in a browser's worker or a Node worker thread. Its entries say which networks
// it can open: upscaler-worker.ts, networks-worker.ts.
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Job, Run, Session, SessionInfo } from '../engine/session.js';
import type { OpenRequest } from '../engine/specs.js';
import { answer, type Host } from './wire.js';

type Open = (request: OpenRequest) => Promise<Session>;

class SessionHost implements Host {
  readonly #handshake: string;
  readonly #open: Open;
  /** From open() on. */
  #session: Session | undefined;
  readonly #runs = new Map<number, Run>();

  constructor(handshake: string, open: Open) {
    this.#handshake = handshake;
    this.#open = open;
  }

  ready(): string {
    return this.#handshake;
  }

  open(request: OpenRequest) {
    return answer(async (): Promise<SessionInfo> => {
      this.#session = await this.#open(request);
      return this.#session.info;
    });
  }

  run(id: number, job: Job) {
    return answer(async () => {
      const session = this.#session!;
      const run = session.run(job);
      this.#runs.set(id, run);
      try {
        return { outcome: await run.outcome, info: session.info };
      } finally {
        this.#runs.delete(id);
      }
    });
  }

  drop(id: number): void {
    this.#runs.get(id)?.drop();
  }
}

/** Answers the page from now on. */
export function serve(handshake: string, open: Open): void {
  const parentPort = globalThis.process?.getBuiltinModule?.('node:worker_threads')?.parentPort;
  // Nobody would answer it. The caller hears of a worker that dies, and tries elsewhere.
  (parentPort ?? globalThis).addEventListener('messageerror', () => {
    throw new Error('a message could not be read');
  });
  Comlink.expose(new SessionHost(handshake, open), parentPort ? nodeEndpoint(parentPort) : undefined);
}
