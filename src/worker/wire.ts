// What crosses the thread boundary. comlink keeps only an error's message, name and stack, and copies what is not listed for
// transfer; so an answer is {value} or {error: {code, message, details}}, and buffers are found here.
import * as Comlink from 'comlink';
import { asCarafeError, CarafeError, type ErrorCode } from '../core/errors.js';
import { tagOf } from '../core/tag.js';
import type { Job, Outcome, SessionInfo } from '../engine/session.js';
import type { OpenRequest } from '../engine/specs.js';

/** The worker's side: one session. */
export interface Host {
  /** Answers once the worker's code runs: with HANDSHAKE. */
  ready(): string;
  open(request: OpenRequest): Promise<Answer<SessionInfo>>;
  /** Also the info, which changes if the session goes on with another backend. `id`: for drop(). */
  run(id: number, job: Job): Promise<Answer<{ outcome: Outcome; info: SessionInfo }>>;
  /** Nobody waits for the job any more. */
  drop(id: number): void;
}

export type Answer<T> = { readonly value: T } | { readonly error: WireError };

interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: unknown;
  readonly stack: string | undefined;
}

/** The buffers in a value of plain objects, arrays and typed arrays. Shared memory does not move: it is seen from both sides. */
export function transferables(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (tagOf(value.buffer) === 'ArrayBuffer') found.add(value.buffer as ArrayBuffer);
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) transferables(part, found);
  }
  return [...found];
}

/** Runs `body` in the worker and gives what comes of it, to be moved to the caller's side. */
export async function answer<T>(body: () => Promise<T>): Promise<Answer<T>> {
  try {
    const value = await body();
    return Comlink.transfer({ value }, transferables(value));
  } catch (error) {
    const { code, message, details, stack } = asCarafeError(error, 'BackendUnavailable', 'the worker to answer');
    return { error: { code, message, details, stack } };
  }
}

/** The value on the caller's side, or the error thrown again as what it was. */
export function resultOf<T>(answered: Answer<T>): T {
  if ('value' in answered) return answered.value;
  const { code, message, details, stack } = answered.error;
  const error = new CarafeError(code, message, details);
  error.stack = stack;
  throw error;
}
