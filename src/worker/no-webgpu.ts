// In the place of adapter.ts and webgpu-backend.ts in the worker for wasm: a page with a GPU starts the other one (spawn.ts).
import { CarafeError } from '../core/errors.js';

export async function openDevice(): Promise<never> {
  const reason = globalThis.navigator?.gpu ? 'navigator.gpu gives no adapter' : 'this runtime has no navigator.gpu';
  throw new CarafeError('BackendUnavailable', reason);
}

export const isSoftwareAdapter = (): boolean => false;
export const createWebgpuBackend = openDevice;
