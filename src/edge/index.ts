// The entry `carafe-web/edge`.
export type { WasmModule } from '../core/platform.js';
export { type Codec, jsquash, type JsquashPart, type Pixels } from './codec.js';
export { createHandler, type Handler, type HandlerOptions, type Limits } from './handler.js';
export type { Format } from './header.js';
export { png } from './png.js';
