// How many requests are taken in and how many pictures are worked on at once. What is taken in holds memory: it is counted before its body
// is read, and who comes when all places are taken is turned away.

/** A request that was taken in. */
export interface Ticket {
  /** Resolves when it may work: in the order of asking. Rejects with the signal's reason. */
  turn(signal: AbortSignal): Promise<void>;
  /** Gives its place to the next; once, or more often. */
  leave(): void;
}

export interface Gate {
  /** undefined: full. */
  enter(): Ticket | undefined;
}

/** @param lifetime ms after which a ticket no longer counts: some platforms drop a request without running its `finally`. */
export function createGate(concurrent: number, waiting: number, lifetime: number): Gate {
  const inside = new Map<Ticket, number>();
  const working = new Set<Ticket>();
  const queue = new Map<Ticket, () => void>();

  const next = (): void => {
    for (const [ticket, begin] of queue) {
      if (working.size >= concurrent) return;
      queue.delete(ticket);
      working.add(ticket);
      begin();
    }
  };
  const leave = (ticket: Ticket): void => {
    inside.delete(ticket);
    working.delete(ticket);
    queue.delete(ticket);
    next();
  };
  return {
    enter() {
      for (const [ticket, since] of inside) if (Date.now() - since > lifetime) leave(ticket);
      if (inside.size >= concurrent + waiting) return undefined;
      const ticket: Ticket = {
        turn: (signal) =>
          new Promise((resolve, reject) => {
            signal.throwIfAborted();
            const abort = (): void => {
              leave(ticket);
              reject(signal.reason);
            };
            signal.addEventListener('abort', abort, { once: true });
            queue.set(ticket, () => {
              signal.removeEventListener('abort', abort);
              resolve();
            });
            next();
          }),
        leave: () => leave(ticket),
      };
      inside.set(ticket, Date.now());
      return ticket;
    },
  };
}
