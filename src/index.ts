// Every public export, nothing else: the core, the models by name, and checkpoints.
export * from './core.js';
export type { CarafeLayerInfo, LoadCarafeOptions, LoadedCarafe, LoadedConv } from './api/checkpoint.js';
export type { CheckpointSource } from './api/checkpoint-source.js';
export { listCarafe, loadCarafe, saveCarafe } from './api/load-carafe.js';
export { createUpscaler, upscale } from './api/named-models.js';
export { isPixelArt } from './api/pixel-art.js';
export type { UpscalerOptions } from './api/options.js';
export type { InterpolationName, ModelName } from './models/builtin.js';
export type { CarafeFamily, FoldedConv, RefusedLayer } from './models/carafe-layers.js';
