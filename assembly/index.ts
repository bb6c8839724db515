// Every export of the wasm builds, nothing else. Stateless: exports take byte pointers into the imported memory and
// sizes; backends/wasm/arena.ts owns that memory. Two builds come from this source (asconfig.json): simd and
// relaxed-simd.
export { nchwToNhwc, nhwcToNchw } from './layout';
export { activate, conv2d, conv2dScratch, copy } from './conv2d';
export { narrowConv } from './narrow-conv';
export { winograd, winogradScratch } from './winograd';
export { pixelShuffle, pixelUnshuffle } from './pixel-shuffle';
export { normalizeKernels } from './normalize-kernels';
export { insideTaps, reassemble, reassembleScratch } from './reassemble';
export { reassembleSum, reassembleSumScratch } from './reassemble-sum';
export { resize, resizeScratch } from './resize';
export { pixelsToPlanes, planesToPixels, planesToPixelsScratch } from './pixels';
export { cellMeans, cellMeansScratch, meanGains, meanGainsScratch } from './mean-gains';
export { colourLines, colourLinesScratch } from './colour-lines';
