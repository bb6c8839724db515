// Which backends run here, and why the others do not. `auto` never takes a software adapter over wasm; an explicit backend never
// falls back. Choosing between two that run is the caller's, by measurement (engine/upscaler-engine.ts).
import { CarafeError } from '../core/errors.js';
import type { Backend, BackendName } from './backend.js';
import { openWasmBackend, openWasmModule } from './wasm/builds.js';
import { isSoftwareAdapter, openDevice } from './webgpu/adapter.js';
import { createWebgpuBackend } from './webgpu/webgpu-backend.js';

/** What the caller asked for; plain data but for `device`, which cannot leave its thread. */
export interface BackendRequest {
  readonly backend: 'auto' | readonly BackendName[]; // in order of preference
  readonly wasm?: WebAssembly.Module; // instead of the built-in builds
  readonly device?: GPUDevice; // instead of the default adapter's
}

export interface Rejection {
  readonly backend: BackendName;
  readonly reason: string;
}

/** Opens what the request allows: with 'auto' all that may be chosen, else the first of the list that works. half: a GPU may store tensors as f16. @throws {CarafeError} BackendUnavailable with every reason. */
export async function openBackends(
  request: BackendRequest,
  options: { half?: boolean } = {},
): Promise<{ opened: Backend[]; rejected: Rejection[] }> {
  const auto = request.backend === 'auto';
  const opened: Backend[] = [];
  const rejected: Rejection[] = [];
  for (const name of request.backend === 'auto' ? (['webgpu', 'wasm'] as const) : request.backend) {
    try {
      opened.push(await openBackend(name, request, auto, options.half));
      if (!auto) break;
    } catch (error) {
      if (!(error instanceof CarafeError) || error.code !== 'BackendUnavailable') throw error;
      rejected.push({ backend: name, reason: error.message });
    }
  }
  if (opened.length === 0) {
    throw new CarafeError(
      'BackendUnavailable',
      `Expected a backend that runs here for "backend", got ${rejected.map((r) => `${r.backend}: ${r.reason}`).join('; ')}`,
      { rejected },
    );
  }
  return { opened, rejected };
}

/** @throws {CarafeError} BackendUnavailable with the reason. */
async function openBackend(
  name: BackendName,
  { wasm, device }: BackendRequest,
  hardwareOnly: boolean,
  half = false,
): Promise<Backend> {
  switch (name) {
    case 'reference': {
      // a chunk that few need, and not part of the worker
      const loaded = await import('./reference/reference-backend.js').catch(() => {
        throw new CarafeError('BackendUnavailable', 'it runs inline only');
      });
      return loaded.createReferenceBackend();
    }
    case 'wasm':
      return wasm ? openWasmModule(wasm, 'module of the caller') : openWasmBackend();
    case 'webgpu': {
      const found = device ?? (await openDevice(hardwareOnly));
      if (hardwareOnly && device && isSoftwareAdapter(device.adapterInfo))
        throw new CarafeError('BackendUnavailable', 'the device is a software adapter, slower than wasm');
      return createWebgpuBackend(found, { destroyDevice: !device, half });
    }
  }
}

export interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** Why not, if it is not. */
  readonly reason?: string;
  /** The build or the adapter, if it is. */
  readonly details: string;
}

/** Tries every backend on this thread. */
export async function probeBackends(): Promise<BackendReport[]> {
  return Promise.all(
    (['webgpu', 'wasm', 'reference'] as const).map(async (name): Promise<BackendReport> => {
      try {
        const backend = await openBackend(name, { backend: [name] }, false);
        const { details } = backend;
        backend.dispose();
        return { name, available: true, details };
      } catch (error) {
        return { name, available: false, reason: (error as Error).message, details: '' };
      }
    }),
  );
}
