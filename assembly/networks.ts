// The exports of the wasm builds that run whole architectures: all of index.ts, and the kernels of NetworkOps.
export * from './index';
export { arithmetic } from './arithmetic';
export { addPixels } from './average-pool';
export { gridSample } from './grid-sample';
