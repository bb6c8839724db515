// The exports of the wasm builds that enlarge pictures. Stateless: exports take byte pointers into the imported memory
// and sizes; backends/wasm/arena.ts owns that memory. Of this source and of those that add to it (index.ts,
// networks.ts) there are two builds each (asconfig.json): simd and relaxed-simd.
export { activate, conv2d, conv2dScratch, copy } from './conv2d';
export { narrowConv } from './narrow-conv';
export { winograd, winogradScratch } from './winograd';
export { pixelShuffle } from './pixel-shuffle';
export { reassembleSum, reassembleSumScratch } from './reassemble-sum';
export { resize, resizeScratch } from './resize';
export { pixelsToPlanes, planesToPixels, planesToPixelsScratch } from './pixels';
export { cellMeans, cellMeansScratch, meanGains, meanGainsScratch } from './mean-gains';
export { colourLines, colourLinesScratch } from './colour-lines';
