import { CarafeError } from '../../core/errors.js';

/** Says why there is no adapter on this thread. */
export async function noAdapter(): Promise<never> {
  const reason = globalThis.navigator?.gpu ? 'navigator.gpu gives no adapter' : 'this runtime has no navigator.gpu';
  throw new CarafeError('BackendUnavailable', reason);
}
