// In the place of what this entry does without: the GPU, explanations of pixels, the built-in wasm builds.
export default '';
export const isSoftwareAdapter = (): boolean => false;
export const openDevice = refuse;
export const createWebgpuBackend = refuse;
export const explainPixel = refuse;

function refuse(): never {
  throw new Error('carafe-web/edge enlarges on wasm, and no more');
}
