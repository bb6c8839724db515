// Which backends run here, and why the others do not. `auto` never takes a software adapter over wasm; an explicit
// backend never falls back. Choosing between two that run is done by measurement (engine/session.ts).
import { CarafeError } from '../core/errors.js';
import type { Backend, BackendName } from './backend.js';
import { openWasmBackend, openWasmModule } from './wasm/builds.js';
import { isSoftwareAdapter, openDevice } from './webgpu/adapter.js';
import type { ShaderTexts } from './webgpu/shader.js';
import { createWebgpuBackend } from './webgpu/webgpu-backend.js';

/** What the caller asked for; plain data but for `device`, which cannot leave its thread. */
export interface BackendRequest {
  readonly backend: 'auto' | readonly BackendName[]; // in order of preference
  readonly wasm?: WebAssembly.Module; // instead of the built-in builds
  readonly device?: GPUDevice; // instead of the default adapter's
  readonly shaders?: ShaderTexts; // for a worker, which has none
}

export interface Rejection {
  readonly backend: BackendName;
  readonly reason: string;
}

/** What may be taken, in order of preference. */
export function candidates({ backend }: BackendRequest): readonly BackendName[] {
  return backend === 'auto' ? ['webgpu', 'wasm'] : backend;
}

export function unavailable(rejected: readonly Rejection[]): CarafeError {
  const reasons = rejected.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ');
  return new CarafeError('BackendUnavailable', `Expected a backend that runs here for "backend", got ${reasons}`, {
    rejected: [...rejected],
  });
}

/** @param half A GPU may store tensors as f16. @throws {CarafeError} BackendUnavailable with the reason. */
export async function openBackend(
  name: BackendName,
  { backend, wasm, device, shaders }: BackendRequest,
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
      const hardwareOnly = backend === 'auto';
      if (hardwareOnly && device && isSoftwareAdapter(device.adapterInfo))
        throw new CarafeError('BackendUnavailable', 'the device is a software adapter, slower than wasm');
      const found = device ?? (await openDevice(hardwareOnly));
      return createWebgpuBackend(found, { destroyDevice: !device, half, shaders }).catch((error: unknown) => {
        if (!device) found.destroy();
        throw error;
      });
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
        const backend = await openBackend(name, { backend: [name] });
        const { details } = backend;
        backend.dispose();
        return { name, available: true, details };
      } catch (error) {
        return { name, available: false, reason: (error as Error).message, details: '' };
      }
    }),
  );
}
