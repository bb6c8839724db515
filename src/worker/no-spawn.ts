// In the place of spawn.ts in the entry that starts no workers.
import { CarafeError } from '../core/errors.js';

export async function spawn(): Promise<never> {
  throw new CarafeError('WorkerCrashed', 'Expected a worker to start, got the entry carafe-web/inline, which has none');
}
