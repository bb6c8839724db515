// Giving the thread back, so that timers, events and messages come in between pieces of work.

/** Resolves in a later task, after the events that wait by then. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') {
      setImmediate(resolve);
    } else if (typeof MessageChannel === 'function') {
      // browsers make nested timers wait for 4 ms
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(0);
    } else {
      setTimeout(resolve);
    }
  });
}

const SLICE = 8; // ms: half a frame

/** The task that runs on this thread now, if it does work in slices. */
let task: { readonly begun: number; readonly over: Promise<void> } | undefined;

/**
 * Does `work`, which yields where it may be interrupted, so that all such work together holds the thread for SLICE ms
 * at a time.
 */
export async function inSlices<T>(work: Generator<void, T, void>): Promise<T> {
  for (;;) {
    const now = performance.now();
    task ??= {
      begun: now,
      over: turn().then(() => {
        task = undefined;
      }),
    };
    if (now - task.begun > SLICE) {
      await task.over;
    } else {
      const { done, value } = work.next();
      if (done) return value;
    }
  }
}
