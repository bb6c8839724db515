// loadCarafe(), saveCarafe(), listCarafe(). What they do is a chunk of its own (checkpoint.ts).
import type { Bytes } from '../core/platform.js';
import type { RefusedLayer } from '../models/carafe-layers.js';
import type { CarafeLayerInfo, LoadCarafeOptions, LoadedCarafe } from './checkpoint.js';
import type { CheckpointSource } from './checkpoint-source.js';

/**
 * One CARAFE layer of a checkpoint: `const { weights, options } = await loadCarafe(bytes)`, then `createCarafe(weights,
 * options)`.
 * @throws {CarafeError} ModelInvalid: not a checkpoint, no such layer, several and no prefix, or one that computes
 * something else
 */
export async function loadCarafe(source: CheckpointSource, options: LoadCarafeOptions = {}): Promise<LoadedCarafe> {
  const checkpoint = await import('./checkpoint.js');
  return checkpoint.loadCarafe(source, options);
}

/**
 * The layer as a .safetensors file that loadCarafe reads back, batch norm folded and the options in its metadata. The names are those of
 * mmcv (`channel_compressor`, `content_encoder`), or with a convolution after the reassembly `down`, `encoder` and `out`.
 * @throws {CarafeError} InvalidOption, ShapeMismatch: as createCarafe
 */
export async function saveCarafe(layer: LoadedCarafe): Promise<Bytes> {
  const checkpoint = await import('./checkpoint.js');
  return checkpoint.saveCarafe(layer);
}

/** Every CARAFE layer of a checkpoint, and what looks like one and is refused. @throws {CarafeError} ModelInvalid */
export async function listCarafe(
  source: CheckpointSource,
): Promise<{ layers: CarafeLayerInfo[]; refused: RefusedLayer[] }> {
  const checkpoint = await import('./checkpoint.js');
  return checkpoint.listCarafe(source);
}
