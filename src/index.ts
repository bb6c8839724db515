// Every public export, nothing else.
export { carafe, type CarafeModule, createCarafe, listBackends } from './api/carafe.js';
export {
  type CarafeLayerInfo,
  type CheckpointSource,
  listCarafe,
  loadCarafe,
  type LoadCarafeOptions,
  type LoadedCarafe,
  type LoadedConv,
} from './api/checkpoint.js';
export { type ImageInput, toBlob, toImageBitmap } from './api/image.js';
export type {
  CarafeModuleOptions,
  CarafeOptions,
  CarafeWeights,
  ConvParameters,
  TensorLike,
  UpscalerOptions,
} from './api/options.js';
export { createUpscaler, upscale, type Upscaler, type UpscalerInfo } from './api/upscale.js';
export type { BackendName } from './backends/backend.js';
export type { BackendReport, Rejection } from './backends/select.js';
export { explainReassembly, type ReassemblyLevel, type SourcePixel } from './core/explain.js';
export { CarafeError, type ErrorCode } from './core/errors.js';
export type { Activation, Normalizer, Padding } from './core/shapes.js';
export type { RawImage, Shape, Tensor } from './core/tensor.js';
export type { Layout } from './core/shapes.js';
export type { Progress, RunOptions, Tile } from './engine/upscale-image.js';
