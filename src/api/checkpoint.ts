// CARAFE layers out of people's checkpoints, for createCarafe, behind the calls of load-carafe.ts.
import { CarafeError, expected } from '../core/errors.js';
import type { Bytes } from '../core/platform.js';
import { type Activation, ACTIVATIONS } from '../core/shapes.js';
import type { ConvSpec } from '../engine/carafe.js';
import {
  type CarafeFamily,
  type CarafeHints,
  type CarafeLayer,
  findCarafeLayers,
  foldConv,
  type FoldedConv,
  type RefusedLayer,
  type Stage,
} from '../models/carafe-layers.js';
import { readCheckpoint } from '../models/checkpoint.js';
import type { ModelTensor } from '../models/safetensors.js';
import type { StoredTensor } from '../models/stored-tensor.js';
import { writeSafetensors } from '../models/safetensors-writer.js';
import { type CheckpointSource, readSource } from './checkpoint-source.js';
import { checkModule } from './module-options.js';

export interface LoadCarafeOptions {
  /** Which layer, as listCarafe names it; needed if the checkpoint has several. */
  prefix?: string;
  /** After the compressor, where it is not the family's usual: listCarafe says what would be assumed. */
  activation?: Activation;
  /** Of batch norm; default 1e-3 in YOLO forks, else 1e-5. */
  eps?: number;
  /** Where the encoder's outputs leave it open. */
  scale?: number;
  groups?: number;
}

/** A convolution of a checkpoint with its batch norm folded in; `ghost` is GhostConv's depthwise half. */
export interface LoadedConv extends FoldedConv {
  ghost?: FoldedConv;
}

export interface LoadedCarafe {
  /** The first two arguments of createCarafe. */
  weights: { compress?: LoadedConv; encode: LoadedConv; out?: LoadedConv };
  options: { scale: number; kUp: number; groups: number; activation: Activation };
  family: CarafeFamily;
  prefix: string;
  /** What the names and shapes do not say and was taken for granted; check it against your model. */
  assumed: readonly string[];
}

/** A CARAFE layer found in a checkpoint: its place, family and shapes. */
export type CarafeLayerInfo = Omit<CarafeLayer, 'stages'>;

/** loadCarafe() of load-carafe.ts. */
export async function loadCarafe(source: CheckpointSource, options: LoadCarafeOptions): Promise<LoadedCarafe> {
  const { prefix, ...hints } = options;
  const { tensors, saved } = await open(source);
  const { layers, refused } = findCarafeLayers(tensors, { ...saved, ...hints });
  const names = (): string => layers.map((layer) => `"${layer.prefix}"`).join(', ');
  const wanted = prefix === undefined || prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
  const no = refused.find((one) => one.prefix === (wanted ?? one.prefix));
  if (layers.length === 0 || (wanted !== undefined && !layers.some((layer) => layer.prefix === wanted))) {
    if (no) throw new CarafeError('ModelInvalid', `Expected a CARAFE layer for "${no.prefix}", got ${no.reason}`, no);
    throw expected(
      'ModelInvalid',
      'prefix',
      layers.length ? `one of ${names()}` : 'a checkpoint with a CARAFE layer',
      prefix ?? 'none',
    );
  }
  if (wanted === undefined && layers.length > 1)
    throw expected('ModelInvalid', 'prefix', `one of the ${layers.length} layers ${names()}`, prefix);
  const layer = layers.find((one) => one.prefix === (wanted ?? one.prefix)) as CarafeLayer;
  const loaded = (stage: Stage): LoadedConv => ({
    ...foldConv(tensors, stage, layer.eps),
    ...(stage.ghost && { ghost: foldConv(tensors, stage.ghost, layer.eps) }),
  });
  const { compress, encode, out } = layer.stages;
  return {
    weights: {
      ...(compress && { compress: loaded(compress) }),
      encode: loaded(encode),
      ...(out && { out: loaded(out) }),
    },
    options: { scale: layer.scale, kUp: layer.kUp, groups: layer.groups, activation: layer.activation },
    family: layer.family,
    prefix: layer.prefix,
    assumed: layer.assumed,
  };
}

/** saveCarafe() of load-carafe.ts. */
export async function saveCarafe(layer: LoadedCarafe): Promise<Bytes> {
  if (!layer?.weights || !layer.family) throw expected('InvalidOption', 'layer', 'what loadCarafe() gave', layer);
  const { weights, options, family } = layer;
  const { compress, encode, out } = checkModule(weights, options);
  if (out && !compress)
    throw expected('InvalidOption', 'weights.compress', 'a compressor where there is an out', compress);
  const tensors = new Map<string, ModelTensor>();
  const add = (name: string, { weights: { data, shape }, bias, ghost }: ConvSpec): void => {
    const conv = ghost ? `${name}.cv1.conv` : name;
    tensors.set(`${conv}.weight`, { data, shape });
    tensors.set(`${conv}.bias`, { data: bias ?? new Float32Array(shape[0]), shape: [shape[0]] });
    if (ghost) add(`${name}.cv2.conv`, ghost);
  };
  if (compress) add(out ? 'down' : 'channel_compressor', compress);
  add(out ? 'encoder' : 'content_encoder', encode);
  if (out) add('out', out);
  const { scale, kUp, groups, activation } = options;
  const metadata = { family, scale: `${scale}`, kUp: `${kUp}`, groups: `${groups}`, activation };
  return writeSafetensors({ tensors, metadata: { format: SAVED, ...metadata } });
}

/** listCarafe() of load-carafe.ts. */
export async function listCarafe(
  source: CheckpointSource,
): Promise<{ layers: CarafeLayerInfo[]; refused: RefusedLayer[] }> {
  const { tensors, saved } = await open(source);
  const { layers, refused } = findCarafeLayers(tensors, saved);
  return { layers: layers.map(({ stages, ...info }) => info), refused };
}

/** The tensors of a checkpoint, and what saveCarafe wrote beside them. */
async function open(
  source: CheckpointSource,
): Promise<{ tensors: ReadonlyMap<string, StoredTensor>; saved: CarafeHints }> {
  const { tensors, metadata } = readCheckpoint(await readSource(source));
  return { tensors, saved: metadata.format === SAVED ? savedOptions(metadata) : {} };
}

const SAVED = 'carafe-web layer'; // the metadata's format

/** @throws {CarafeError} ModelInvalid */
function savedOptions({ family, scale, groups, activation }: Readonly<Record<string, string>>): CarafeHints {
  const families: readonly string[] = [
    'mmcv',
    'xialipku',
    'yolo',
    'down-encoder-out',
    'ghost',
  ] satisfies CarafeFamily[];
  if (!families.includes(family)) throw expected('ModelInvalid', 'metadata.family', families.join(', '), family);
  if (!ACTIVATIONS.includes(activation as Activation))
    throw expected('ModelInvalid', 'metadata.activation', ACTIVATIONS.join(', '), activation);
  const size = (name: string, value: string): number => {
    if (!/^[1-9]\d{0,4}$/.test(value)) throw expected('ModelInvalid', `metadata.${name}`, 'a positive integer', value);
    return Number(value);
  };
  return {
    family: family as CarafeFamily,
    activation: activation as Activation,
    scale: size('scale', scale),
    groups: size('groups', groups),
  };
}
