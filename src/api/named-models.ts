// createUpscaler() and upscale() of the default entry: the models that ship in the package are called by their names.
import { expected } from '../core/errors.js';
import type { RunOptions } from '../engine/upscale-image.js';
import { BUILTIN_MODELS, type ModelName } from '../models/builtin.js';
import type { ImageInput } from './image.js';
import type { FileSource } from './load.js';
import { checkRun, checkScale, type UpscalerOptions } from './options.js';
import * as core from './upscale.js';

/**
 * Loads a network once for many images.
 * @throws {CarafeError} InvalidOption, BackendUnavailable, ModelInvalid, WorkerCrashed; the signal's reason
 * @example
 * const upscaler = await createUpscaler();
 * const big = await upscaler.upscale({ data: new Uint8ClampedArray(32 * 24 * 4), width: 32, height: 24 }); // 64x48
 * upscaler.dispose();
 */
export async function createUpscaler(options: UpscalerOptions = {}): Promise<core.Upscaler> {
  const model = await find(options);
  // who names a model wants that one, for pixel art too
  const pixelArt = options.model === undefined ? () => import('../engine/pixel-art.js') : undefined;
  return core.openUpscaler({ ...options, model }, pixelArt);
}

/**
 * One image: createUpscaler, upscale, dispose.
 * @throws as both
 * @example
 * const { width, height } = await upscale({ data: new Uint8ClampedArray(16 * 16 * 4), width: 16, height: 16 }); // 32, 32
 */
export async function upscale(
  image: ImageInput,
  options: UpscalerOptions & RunOptions = {},
): Promise<core.UpscaledImage> {
  return core.upscaleOnce(createUpscaler(options), image, options);
}

/** A name's bytes; anything else, URLs as strings too, is the caller's own. */
async function find(options: UpscalerOptions): Promise<FileSource> {
  checkRun(options).signal?.throwIfAborted();
  const scale = checkScale(options);
  const { model = 'base' } = options;
  if (typeof model !== 'string' || /[./:]/.test(model)) return model;
  const models = BUILTIN_MODELS[scale];
  if (!models) throw expected('InvalidOption', 'scale', Object.keys(BUILTIN_MODELS).join(' or '), scale);
  const load = Object.hasOwn(models, model) && models[model as ModelName];
  if (load) return load();
  const size = model.replace(/-web$/, '');
  if (size !== model && Object.hasOwn(models, size))
    throw expected('InvalidOption', 'model', `"${size}", whose option "restore" is for JPEGs and noise,`, model);
  const names = Object.keys(models).map((name) => `"${name}"`);
  throw expected(
    'InvalidOption',
    'model',
    `${names.join(', ')} (at scale ${scale}), a URL or the bytes of a .safetensors file`,
    model,
  );
}
