// The entries `carafe-web/core` (no models: they are the caller's files) and `carafe-web/inline` (nor workers, nor
// import()): see scripts/build.js.
export { carafe, createCarafe, listBackends } from './api/carafe.js';
export type { CanvasTarget, ImageInput } from './api/image.js';
export type { FileSource } from './api/load.js';
export type {
  CarafeModuleOptions,
  CarafeOptions,
  CarafeWeights,
  ConvParameters,
  HalfTensor,
  TensorLike,
} from './api/module-options.js';
export type { CarafeModule, UpsampleOptions } from './api/operator.js';
export { toBlob, toImageBitmap } from './api/results.js';
export {
  type CoreUpscalerOptions,
  createUpscaler,
  upscale,
  type UpscaledImage,
  type Upscaler,
  type UpscalerInfo,
} from './api/upscale.js';
export type { BackendName } from './backends/backend.js';
export type { BackendReport, Rejection } from './backends/select.js';
export { explainReassembly, type ReassemblyLevel, type SourcePixel } from './core/explain.js';
export { CarafeError, type ErrorCode } from './core/errors.js';
export type { Activation, Normalizer, Padding } from './core/shapes.js';
export type { Halves } from './core/tag.js';
export type { ColorSpace, RawImage, RgbaPixels, Shape, Tensor } from './core/tensor.js';
export type { Layout } from './core/shapes.js';
export type { Global } from './core/platform.js';
export type { PixelExplanation } from './engine/explain-pixel.js';
export type { Restore } from './engine/restore.js';
export type { Progress, RunOptions, Tile } from './engine/upscale-image.js';
export type { PoolInfo } from './worker/pool.js';
