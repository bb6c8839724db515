// The entry `carafe-web/webgpu`: the module on buffers of the caller's GPUDevice.
export { createGpuCarafe, type GpuCarafe, type GpuCarafeOptions, type PreparedCarafe } from './api/gpu-carafe.js';
