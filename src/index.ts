// Every public export, nothing else: the core, and the models by name.
export * from './core.js';
export { createUpscaler, upscale } from './api/named-models.js';
export type { UpscalerOptions } from './api/options.js';
