// The exports of the wasm builds that run the operator too: all of pictures.ts, and the kernels of OperatorOps.
export * from './pictures';
export { nchwToNhwc, nhwcToNchw } from './layout';
export { pixelUnshuffle } from './pixel-shuffle';
export { normalizeKernels } from './normalize-kernels';
export { insideTaps, reassemble, reassembleScratch } from './reassemble';
