// Abort signals. Calls that share a signal share one listener on it: Node warns of a leak from eleven listeners on.

interface Shared {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const listening = new WeakMap<AbortSignal, Shared>();
const nothing = (): void => {};

/** Calls back once when the signal aborts, or now if it has. The result takes that back. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (!signal) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  const shared = listening.get(signal) ?? listen(signal);
  const own = (): void => callback(); // the same callback may be given twice
  shared.callbacks.add(own);
  return () => {
    if (!shared.callbacks.delete(own) || shared.callbacks.size > 0) return;
    signal.removeEventListener('abort', shared.listener);
    listening.delete(signal);
  };
}

function listen(signal: AbortSignal): Shared {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    listening.delete(signal);
    const all = [...callbacks];
    callbacks.clear();
    for (const call of all) call();
  };
  const shared = { callbacks, listener };
  signal.addEventListener('abort', listener, { once: true });
  listening.set(signal, shared);
  return shared;
}

/** What `promise` gives, or the signal's reason as soon as it aborts; what comes after that goes to `discard`. */
export function unlessAborted<T>(
  signal: AbortSignal | undefined,
  promise: Promise<T>,
  discard: (value: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let aborted = false;
    const stop = onAbort(signal, () => {
      aborted = true;
      reject(signal!.reason);
    });
    promise.then(
      (value) => {
        stop();
        if (aborted) discard(value);
        else resolve(value);
      },
      (error) => {
        stop();
        reject(error);
      },
    );
  });
}
