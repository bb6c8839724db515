// The worker's entry: a session behind comlink, in a browser's module worker or a Node worker thread.
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { CarafeError } from '../core/errors.js';
import type { Job, Run, Session, SessionInfo } from '../engine/session.js';
import { type OpenRequest, openSession } from '../engine/specs.js';
import { HANDSHAKE } from './handshake.js';
import { answer, type Host } from './wire.js';

class SessionHost implements Host {
  #session: Session | undefined;
  readonly #runs = new Map<number, Run>();

  ready(): string {
    return HANDSHAKE;
  }

  open(request: OpenRequest) {
    return answer(async (): Promise<SessionInfo> => {
      this.#session = await openSession(request);
      return this.#session.info;
    });
  }

  run(id: number, job: Job) {
    return answer(async () => {
      const session = this.#session;
      if (!session) throw new CarafeError('Disposed', 'Expected an open session, got none');
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

const parentPort = globalThis.process?.getBuiltinModule?.('node:worker_threads')?.parentPort;
Comlink.expose(new SessionHost(), parentPort ? nodeEndpoint(parentPort) : undefined);
