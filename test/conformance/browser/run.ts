// The conformance suite where there is no test runner: in a page or a worker. What it reports crosses to Node as plain
// data.
import type { Backend } from '../../../src/backends/backend.js';
import { createWebgpuBackend } from '../../../src/backends/webgpu/webgpu-backend.js';
import { openWasmBuild } from '../../../src/backends/wasm/builds.js';
import { conformance, halfConformance, type Outcome, outcomes } from '../suite.js';

export type BrowserBackend = 'wasm-simd' | 'wasm-relaxed' | 'webgpu' | 'webgpu-f16';

export interface Report {
  /** Which build or adapter ran, and whether in a page or a worker. */
  readonly details: string;
  readonly thread: 'page' | 'worker';
  readonly results: readonly Outcome[];
}

const OPEN: Record<BrowserBackend, () => Promise<Backend>> = {
  'wasm-simd': () => openWasmBuild('simd'),
  'wasm-relaxed': () => openWasmBuild('relaxed-simd'),
  async webgpu() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error('navigator.gpu gave no adapter');
    return createWebgpuBackend(await adapter.requestDevice());
  },
  async 'webgpu-f16'() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error('navigator.gpu gave no adapter');
    return createWebgpuBackend(await adapter.requestDevice({ requiredFeatures: ['shader-f16'] }), { half: true });
  },
};

export async function run(name: BrowserBackend, atOnce?: number): Promise<Report> {
  const opened = OPEN[name]();
  const results = await outcomes(
    (runner) => (name === 'webgpu-f16' ? halfConformance : conformance)(() => opened, runner),
    atOnce,
  );
  const details = await opened.then(
    (backend) => backend.details,
    (error: Error) => `not opened: ${error.message}`,
  );
  return { details, thread: typeof window === 'undefined' ? 'worker' : 'page', results };
}
