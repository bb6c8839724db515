// Every backend that has to work in Node. One that is missing throws where it is opened, and so fails what asked for
// it.
import type { Backend } from '../src/backends/backend.js';
import { createReferenceBackend } from '../src/backends/reference/reference-backend.js';

export interface TestBackend {
  readonly name: string;
  readonly open: () => Promise<Backend>;
}

export const reference: TestBackend = { name: 'reference', open: async () => createReferenceBackend() };

// Imported when opened: a backend that does not even load fails its own tests and no others.
export const wasmSimd: TestBackend = {
  name: 'wasm-simd',
  open: async () => (await import('../src/backends/wasm/builds.js')).openWasmBuild('simd'),
};
export const wasmRelaxed: TestBackend = {
  name: 'wasm-relaxed',
  open: async () => (await import('../src/backends/wasm/builds.js')).openWasmBuild('relaxed-simd'),
};

export const webgpu: TestBackend = {
  name: 'webgpu',
  open: async () =>
    (await import('../src/backends/webgpu/webgpu-backend.js')).createWebgpuBackend(await nodeGpuDevice()),
};

/**
 * As on a real GPU: loads of vectors, workgroups that share memory, which a software adapter does not get by itself.
 */
export const webgpuHardware: TestBackend = {
  name: 'webgpu-hardware',
  open: async () =>
    (await import('../src/backends/webgpu/webgpu-backend.js')).createWebgpuBackend(await nodeGpuDevice(), {
      hardware: true,
    }),
};

export const fastBackends: readonly TestBackend[] = [wasmSimd, wasmRelaxed, webgpu, webgpuHardware];
export const allBackends: readonly TestBackend[] = [reference, ...fastBackends];

/** A device of Dawn (npm `webgpu`), on the driver that vitest.config.ts chose. */
export async function nodeGpuDevice(): Promise<GPUDevice> {
  const adapter = await (gpu ??= await openGpu()).requestAdapter();
  if (!adapter) throw new Error("Dawn found no adapter: is Debian's chromium, which brings SwiftShader, installed?");
  return adapter.requestDevice();
}

/** A device with every feature on which nothing runs: it says whether shaders and calls are valid. */
export async function nullGpuDevice(): Promise<GPUDevice> {
  const { create } = await import('webgpu');
  nothing ??= create(['backend=null']);
  const adapter = await nothing.requestAdapter();
  return adapter!.requestDevice({ requiredFeatures: ['shader-f16'] });
}

let gpu: GPU | undefined; // devices do not keep it alive
let nothing: GPU | undefined;

async function openGpu(): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals); // GPUBufferUsage and its like
  // Workgroup memory holds what was there before: a shader must not count on zeros, and SwiftShader takes seconds to
  // compile those of an array.
  return create(['enable-dawn-features=disable_workgroup_init']);
}
