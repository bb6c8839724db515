// What Deno runs: the conformance cases on its WebGPU (wgpu: another WGSL compiler than Chromium's), the upscaler in
// both storages, a report on stdout.
import { createWebgpuBackend } from '../../../src/backends/webgpu/webgpu-backend.js';
import { loadCarafeLuma } from '../../../src/engine/networks/carafe-luma.js';
import { runTile, tileHalo } from '../../../src/engine/upscaler.js';
import { cutTile } from '../../../src/engine/tiles.js';
import { parseSafetensors } from '../../../src/models/safetensors.js';
import type { RawImage } from '../../../src/core/tensor.js';
import type { Backend } from '../../../src/backends/backend.js';
import { Random } from '../../random.js';
import { conformance, halfConformance, type Outcome, outcomes } from '../suite.js';

declare const Deno: { args: string[]; readFile(path: string): Promise<Uint8Array>; exit(code: number): never };

export interface DenoReport {
  readonly details: Record<string, string>;
  readonly results: readonly Outcome[];
  /** Of each model: the largest difference between an image in f16 and in f32, in steps of a byte. */
  readonly images: Record<string, number>;
}

const adapter = await navigator.gpu.requestAdapter();
if (!adapter) throw new Error("Deno found no adapter: is Debian's mesa-vulkan-drivers installed?");
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16'] });
const f32 = await createWebgpuBackend(device);
const hardware = await createWebgpuBackend(device, { hardware: true });
const f16 = await createWebgpuBackend(device, { half: true });
const hardwareF16 = await createWebgpuBackend(device, { half: true, hardware: true });

const prefixed = (prefix: string, results: Outcome[]): Outcome[] =>
  results.map((one) => ({ ...one, name: prefix + one.name }));
const AT_ONCE = 16; // a readback takes Deno 12 ms
const results = [
  ...(await outcomes((runner) => conformance(async () => f32, runner), AT_ONCE)),
  ...prefixed('hardware ', await outcomes((runner) => conformance(async () => hardware, runner), AT_ONCE)),
  ...(await outcomes((runner) => halfConformance(async () => f16, runner), AT_ONCE)),
  ...prefixed('hardware ', await outcomes((runner) => halfConformance(async () => hardwareF16, runner), AT_ONCE)),
];

/**
 * Noise beside a ramp, and below them colours from grey to blue that hardly differ in luma: what luma is off by shows
 * many times as large in them.
 */
function picture(): RawImage {
  const [width, height] = [40, 32];
  const data = new Uint8ClampedArray(new Random(1).bytes(width * height * 4));
  for (let i = 0; i < width * height; i++) {
    const share = data[4 * i] / 255;
    const [luma, blue] = [118 + 8 * share, 30 + 210 * share];
    const grey = (luma - 0.114 * blue) / 0.886;
    if (i >= (width * height) / 2) data.set([grey, grey, blue], 4 * i);
    else if ((i >> 4) % 2 === 0) data.fill(3 * i, 4 * i, 4 * i + 3);
    data[4 * i + 3] = 255;
  }
  return { data, width, height };
}

const image = picture();
const images: Record<string, number> = {};
for (const path of Deno.args) {
  const model = parseSafetensors(await Deno.readFile(path));
  const big = async (backend: Backend): Promise<Uint8ClampedArray> => {
    const net = loadCarafeLuma(backend, model);
    const tile = cutTile(image, { x: 0, y: 0, width: image.width, height: image.height }, tileHalo(net, false));
    return (await runTile(backend, net, { ...tile, alpha: false })).data;
  };
  const [a, b] = [await big(f32), await big(f16)];
  images[model.metadata.name] = a.reduce((max, v, i) => Math.max(max, Math.abs(v - b[i])), 0);
}
console.log(JSON.stringify({ details: { f32: f32.details, f16: f16.details }, results, images } satisfies DenoReport));
Deno.exit(0);
