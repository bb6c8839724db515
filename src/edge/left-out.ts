// In the place of what this entry does without: the GPU, canvases, explanations of pixels, the operator, the built-in wasm
// builds.
export default '';
export const isSoftwareAdapter = (): boolean => false;
export const openDevice = refuse;
export const createWebgpuBackend = refuse;
export const explainPixel = refuse;
export const openPainter = refuse;
export const enlargingFrames = refuse;
export const carafeModule = { half: false, open: refuse };
export const reassembly = carafeModule;

function refuse(): never {
  throw new Error('carafe-web/edge enlarges on wasm, and no more');
}
