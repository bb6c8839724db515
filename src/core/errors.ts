// The one error type of the package. `code` is stable and meant for programs, `message` for people and always of the
// form `Expected ... for "name", got ...` where an argument is at fault. Only `{code, message, details}` crosses the
// worker boundary (worker/wire.ts rebuilds the class there), so `details` holds plain cloneable data.

export type ErrorCode =
  | 'InvalidOption'
  | 'ShapeMismatch'
  | 'UnsupportedImage'
  | 'ImageTooLarge'
  | 'BackendUnavailable'
  | 'ModelInvalid'
  | 'OutOfMemory'
  | 'DeviceLost'
  | 'WorkerCrashed'
  | 'Disposed';

export class CarafeError extends Error {
  override readonly name = 'CarafeError';
  readonly code: ErrorCode;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, details?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Builds (does not throw) the error for an argument that is not what it has to be. */
export function expected(code: ErrorCode, name: string, expectation: string, got: unknown): CarafeError {
  return new CarafeError(code, `Expected ${expectation} for "${name}", got ${describe(got)}`, { name });
}

/** Any failure as one of ours: `code` is for what is neither ours nor a lack of memory. */
export function asCarafeError(error: unknown, code: ErrorCode, what: string): CarafeError {
  if (error instanceof CarafeError) return error;
  const memory = error instanceof RangeError; // what engines throw where an array cannot be allocated
  return new CarafeError(memory ? 'OutOfMemory' : code, `Expected ${what}, got ${String(error)}`);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 120 ? `${value.slice(0, 120)}...` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value) && value.length <= 8 && value.every((v) => typeof v !== 'object'))
    return `[${value.map(String).join(', ')}]`;
  if (typeof value === 'object' && value !== null) return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return String(value);
}
