// How many pictures are worked on at once: the others wait in order, and past a limit they are turned away.

export interface Gate {
  /** Resolves with what leaves again, or with undefined where too many wait already. Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<(() => void) | undefined>;
}

export function createGate(concurrent: number, waiting: number): Gate {
  let inside = 0;
  const queue: (() => void)[] = [];
  const leave = (): void => {
    const next = queue.shift();
    if (next) next();
    else inside--;
  };
  const once = (): (() => void) => {
    let left = false;
    return () => {
      if (!left) leave();
      left = true;
    };
  };
  return {
    async enter(signal) {
      signal.throwIfAborted();
      if (inside < concurrent) {
        inside++;
        return once();
      }
      if (queue.length >= waiting) return undefined;
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          queue.splice(queue.indexOf(enter), 1);
          reject(signal.reason);
        };
        const enter = (): void => {
          signal.removeEventListener('abort', abort);
          resolve();
        };
        queue.push(enter);
        signal.addEventListener('abort', abort, { once: true });
      });
      return once();
    },
  };
}
