// In the place of webgpu-backend.ts in the worker for wasm: a page with a GPU starts the other one (spawn.ts).
import { CarafeError } from '../core/errors.js';

export async function createWebgpuBackend(): Promise<never> {
  throw new CarafeError('BackendUnavailable', 'the page found no adapter when it started this worker');
}
