// Every export of the wasm builds, nothing else. Stateless: exports take byte pointers into the imported memory and sizes;
// backends/wasm/arena.ts owns that memory. Two builds come from this source (asconfig.json): simd and relaxed-simd.
export { nchwToNhwc, nhwcToNchw } from './layout';
export { activate, conv2d, copy } from './conv2d';
export { winograd } from './winograd';
export { pixelShuffle, pixelUnshuffle } from './pixel-shuffle';
export { normalizeKernels } from './normalize-kernels';
export { reassemble } from './reassemble';
export { reassembleSum } from './reassemble-sum';
export { resize } from './resize';
export { pixelsToPlanes, planesToPixels } from './pixels';
