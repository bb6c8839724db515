// Pools for calls that hold none: the last few stay open for a while, by what they were opened for.
import type { BackendRequest } from '../backends/select.js';
import type { Pool } from './pool.js';

const KEPT = 4;
const IDLE = 10_000; // ms until an unused one is closed

interface Entry {
  readonly request: BackendRequest;
  readonly pool: Promise<Pool>;
  calls: number;
  idle?: ReturnType<typeof setTimeout>;
}

export class WarmPools {
  readonly #entries = new Set<Entry>(); // the longest unused first
  readonly #open: (request: BackendRequest) => Promise<Pool>;

  constructor(open: (request: BackendRequest) => Promise<Pool>) {
    this.#open = open;
  }

  async use<T>(request: BackendRequest, call: (pool: Pool) => Promise<T>): Promise<T> {
    const entry = this.#find(request) ?? { request, pool: this.#open(request), calls: 0 };
    this.#entries.delete(entry);
    this.#entries.add(entry);
    clearTimeout(entry.idle);
    entry.calls++;
    try {
      return await call(await entry.pool);
    } catch (error) {
      this.#entries.delete(entry); // whatever it was, the next call begins afresh
      throw error;
    } finally {
      if (--entry.calls === 0) this.#leave(entry);
    }
  }

  #find({ backend, device, wasm }: BackendRequest): Entry | undefined {
    for (const entry of this.#entries) {
      const { request } = entry;
      if (String(request.backend) === String(backend) && request.device === device && request.wasm === wasm)
        return entry;
    }
    return undefined;
  }

  #leave(entry: Entry): void {
    if (!this.#entries.has(entry)) {
      close(entry);
      return;
    }
    entry.idle = setTimeout(() => {
      this.#entries.delete(entry);
      close(entry);
    }, IDLE);
    (entry.idle as { unref?(): void }).unref?.(); // Node: no reason to stay
    for (const other of this.#entries) {
      if (this.#entries.size <= KEPT) return;
      if (other.calls > 0) continue;
      clearTimeout(other.idle);
      this.#entries.delete(other);
      close(other);
    }
  }
}

function close({ pool }: Entry): void {
  pool.then(
    (opened) => opened.dispose(),
    () => {},
  );
}
