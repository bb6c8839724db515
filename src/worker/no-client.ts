// In the place of client.ts in the entries that start no workers.
import { CarafeError } from '../core/errors.js';

export const WorkerSession = {
  async open(): Promise<never> {
    throw new CarafeError(
      'WorkerCrashed',
      'Expected a worker to start, got the entry carafe-web/inline, which has none',
    );
  },
};
