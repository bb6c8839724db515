// In the place of the GPU and of the built-in wasm builds in this entry: it runs the build that it is given.
export default '';
export const isSoftwareAdapter = (): boolean => false;
export const openDevice = refuse;
export const createWebgpuBackend = refuse;

function refuse(): never {
  throw new Error('carafe-web/edge has no WebGPU');
}
