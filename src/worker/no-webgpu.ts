// In the place of adapter.ts and webgpu-backend.ts in the worker for wasm: a page with a GPU starts the other one (spawn.ts).
import { noAdapter } from '../backends/webgpu/no-adapter.js';

export const openDevice = noAdapter;
export const createWebgpuBackend = noAdapter;
export const isSoftwareAdapter = (): boolean => false;
