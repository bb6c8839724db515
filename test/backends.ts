// Every backend that has to work in Node. One that is missing throws where it is opened, and so fails what asked for it.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../src/backends/backend.js';
import { createReferenceBackend } from '../src/backends/reference/reference-backend.js';

export interface TestBackend {
  readonly name: string;
  readonly open: () => Promise<Backend>;
}

export const reference: TestBackend = { name: 'reference', open: async () => createReferenceBackend() };

// Imported when opened: a backend that does not even load fails its own tests and no others.
export const wasmSimd: TestBackend = { name: 'wasm-simd', open: async () => (await import('../src/backends/wasm/builds.js')).openWasmBuild('simd') };
export const wasmRelaxed: TestBackend = { name: 'wasm-relaxed', open: async () => (await import('../src/backends/wasm/builds.js')).openWasmBuild('relaxed-simd') };

export const webgpu: TestBackend = {
  name: 'webgpu',
  open: async () => (await import('../src/backends/webgpu/webgpu-backend.js')).createWebgpuBackend(await nodeGpuDevice()),
};

export const fastBackends: readonly TestBackend[] = [wasmSimd, wasmRelaxed, webgpu];
export const allBackends: readonly TestBackend[] = [reference, ...fastBackends];

/** A device of Dawn (npm `webgpu`) on SwiftShader, the software Vulkan driver that comes with Chromium, or on the driver VK_ICD_FILENAMES names. */
export async function nodeGpuDevice(): Promise<GPUDevice> {
  process.env.VK_ICD_FILENAMES ??= '/usr/lib/chromium/vk_swiftshader_icd.json'; // read when Dawn loads its driver
  process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'carafe-web-'));
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals); // GPUBufferUsage and its like
  const adapter = await create([]).requestAdapter();
  if (!adapter) throw new Error('Dawn found no adapter: is Debian\'s chromium, with its SwiftShader, installed?');
  return adapter.requestDevice();
}
