// What the parts need from inside the package; everything else goes through `carafe-web` as it was built.
export type { Backend, DeviceConv, DeviceTensor, Ops } from '../../src/backends/backend.js';
export { describeAdapter, isSoftwareAdapter, openDevice } from '../../src/backends/webgpu/adapter.js';
export { createWebgpuBackend } from '../../src/backends/webgpu/webgpu-backend.js';
export { loadCarafeLuma } from '../../src/engine/networks/carafe-luma.js';
export { cutTile, type TileJob } from '../../src/engine/tiles.js';
export { runTiles, tileHalo } from '../../src/engine/upscaler.js';
export { parseSafetensors } from '../../src/models/safetensors.js';
