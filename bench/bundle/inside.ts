// What the parts need from inside the package; everything else goes through `carafe-web` as it was built.
export type { Backend, DeviceConv, DeviceTensor, Ops } from '../../src/backends/backend.js';
export { describeAdapter, isSoftwareAdapter, openDevice } from '../../src/backends/webgpu/adapter.js';
export { createWebgpuBackend } from '../../src/backends/webgpu/webgpu-backend.js';
export { loadCarafeLuma, upscaleLuma } from '../../src/engine/networks/carafe-luma.js';
export { cutTile, type TileJob } from '../../src/engine/tiles.js';
export { runTile, tileHalo } from '../../src/engine/upscaler.js';
export { parseSafetensors } from '../../src/models/safetensors.js';
