// Giving the thread back, so that timers, events and messages come in between pieces of work.

const SLICE = 8; // ms: half a frame

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

/** For a long loop: `await pause()` in it gives the thread back every SLICE milliseconds. */
export function slices(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE) return undefined;
    return turn().then(() => {
      since = performance.now();
    });
  };
}
