// The conformance suite where there is no test runner: in a page or a worker. What it reports crosses to Node as plain data.
import type { Backend } from '../../../src/backends/backend.js';
import { createWebgpuBackend } from '../../../src/backends/webgpu/webgpu-backend.js';
import { openWasmBuild } from '../../../src/backends/wasm/builds.js';
import { conformance } from '../suite.js';

export type BrowserBackend = 'wasm-simd' | 'wasm-relaxed' | 'webgpu';

export interface Report {
  /** Which build or adapter ran, and whether in a page or a worker. */
  readonly details: string;
  readonly thread: 'page' | 'worker';
  readonly results: readonly { readonly name: string; readonly error?: string }[];
}

const OPEN: Record<BrowserBackend, () => Promise<Backend>> = {
  'wasm-simd': () => openWasmBuild('simd'),
  'wasm-relaxed': () => openWasmBuild('relaxed-simd'),
  async webgpu() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error('navigator.gpu gave no adapter');
    return createWebgpuBackend(await adapter.requestDevice());
  },
};

export async function run(name: BrowserBackend): Promise<Report> {
  const tests: [name: string, body: () => Promise<void>][] = [];
  const opened = OPEN[name]();
  conformance(() => opened, { test: (title, body) => void tests.push([title, body]) });
  const results: Report['results'][number][] = [];
  for (const [title, body] of tests) {
    results.push(await body().then(() => ({ name: title }), (error: unknown) => ({ name: title, error: error instanceof Error ? error.message : String(error) })));
  }
  const details = await opened.then((backend) => backend.details, (error: Error) => `not opened: ${error.message}`);
  return { details, thread: typeof window === 'undefined' ? 'worker' : 'page', results };
}
