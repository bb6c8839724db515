// The reassembly for calls that hold no session: carafe(). The last few sessions stay open for a while, by what was asked for.
import type { BackendRequest } from '../backends/select.js';
import type { Tensor } from '../core/tensor.js';
import type { Session } from './session.js';
import { openSession, type WorkOf } from './specs.js';

const KEPT = 4;
const IDLE = 10_000; // ms until an unused one is closed

interface Entry {
  readonly request: BackendRequest;
  readonly session: Promise<Session>;
  calls: number;
  idle?: ReturnType<typeof setTimeout>;
}

const entries = new Set<Entry>(); // the longest unused first

/** On this thread. @throws {CarafeError} BackendUnavailable, OutOfMemory, DeviceLost */
export async function reassemble(request: BackendRequest, ...args: WorkOf<'reassembly'>['args']): Promise<Tensor> {
  const entry = [...entries].find((one) => isSame(one.request, request)) ?? open(request);
  entries.delete(entry);
  entries.add(entry);
  clearTimeout(entry.idle);
  entry.calls++;
  try {
    const session = await entry.session;
    for (;;) {
      const outcome = await session.run({ backend: session.info.backend, program: 'reassemble', args }).outcome;
      if ('value' in outcome) return outcome.value as Tensor;
    }
  } catch (error) {
    entries.delete(entry); // whatever it was, the next call begins afresh
    throw error;
  } finally {
    entry.calls--;
    leave(entry);
  }
}

function open(request: BackendRequest): Entry {
  return { request, session: openSession({ ...request, spec: 'reassembly', options: {} }), calls: 0 };
}

function isSame(a: BackendRequest, b: BackendRequest): boolean {
  return String(a.backend) === String(b.backend) && a.device === b.device && a.wasm === b.wasm;
}

function leave(entry: Entry): void {
  if (entry.calls > 0) return;
  if (!entries.has(entry)) {
    close(entry);
    return;
  }
  entry.idle = setTimeout(close, IDLE, entry);
  (entry.idle as { unref?(): void }).unref?.(); // no reason for a process to stay
  for (const other of [...entries].slice(0, -KEPT)) if (other.calls === 0) close(other);
}

function close(entry: Entry): void {
  clearTimeout(entry.idle);
  entries.delete(entry);
  entry.session.then(
    (session) => session.dispose(),
    () => {},
  );
}
