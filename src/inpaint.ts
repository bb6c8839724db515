// The entry `carafe-web/inpaint`: holes in images, filled by a network with CARAFE.
export {
  createInpainter,
  inpaint,
  type Inpainter,
  type InpaintOptions,
  type MaskInput,
} from './api/inpaint.js';
export type { FileSource } from './api/load.js';
export type { ImageInput } from './api/image.js';
export type { BackendOptions, ThreadOptions } from './api/options.js';
export type { BackendName } from './backends/backend.js';
export type { Rejection } from './backends/select.js';
export { CarafeError, type ErrorCode } from './core/errors.js';
export type { ColorSpace, RawImage, RgbaPixels } from './core/tensor.js';
export type { PoolInfo } from './worker/pool.js';
