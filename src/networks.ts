// The entry `carafe-web/networks`: whole architectures with the weights that people have trained.
export type { CheckpointSource } from './api/checkpoint-source.js';
export type { FileSource } from './api/load.js';
export {
  createNetwork,
  type FpnOptions,
  type GlobalLocalOptions,
  type InpaintingUNetOptions,
  type MaskHeadOptions,
  type Network,
  type NetworkName,
  type NetworkOptions,
  type OptionsOfNetwork,
  type PartialConvOptions,
  type UperNetOptions,
} from './api/network.js';
export type { TensorLike } from './api/module-options.js';
export type { BackendOptions, ThreadOptions } from './api/options.js';
export type { BackendName } from './backends/backend.js';
export type { Rejection } from './backends/select.js';
export { flops, params, type UpsamplerName, type UpsamplerSizes } from './core/cost.js';
export { CarafeError, type ErrorCode } from './core/errors.js';
export type { Layout, Normalizer } from './core/shapes.js';
export type { Shape, Tensor } from './core/tensor.js';
export type { UperNetPlace } from './engine/networks/upernet.js';
export type { NetworkUpsampler } from './engine/networks/upsampler-names.js';
