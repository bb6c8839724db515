// The CARAFE layers of a whole model's state-dict: which implementation each is by its names and shapes, and its
// weights as createCarafe takes them, batch norm folded into the convolutions. What looks like CARAFE and computes
// something else is refused with the reason. Families and their sources: mmcv/ops/carafe.py (mmdet's FPN_CARAFE and
// mask heads too), github.com/XiaLiPKU/CARAFE, its copies in YOLO forks (Conv + BN + SiLU), IntegrateNet and others
// with down/encoder/out, and the last with GhostConv.
import { type CarafeError, expected } from '../core/errors.js';
import type { Activation } from '../core/shapes.js';
import { type StoredTensor, toFloat32 } from './stored-tensor.js';

export type CarafeFamily = 'mmcv' | 'xialipku' | 'yolo' | 'down-encoder-out' | 'ghost';

/** What the names do not say, where it differs from the family's usual. */
export interface CarafeHints {
  readonly scale?: number;
  readonly groups?: number;
  /** After the compressor. */
  readonly activation?: Activation;
  /** Of batch norm. */
  readonly eps?: number;
  /** Where it was known once: batch norm, by which families are told apart, may have been folded in. */
  readonly family?: CarafeFamily;
}

export interface CarafeLayer {
  /** Of its tensors' names, with the dot: `neck.upsample_modules.0.`; empty for a state-dict of the layer alone. */
  readonly prefix: string;
  readonly family: CarafeFamily;
  /** Channels in and out, between compressor and encoder, and the encoder's window. */
  readonly channels: number;
  readonly outChannels: number;
  readonly cMid: number;
  readonly kEnc: number;
  readonly scale: number;
  readonly kUp: number;
  readonly groups: number;
  readonly activation: Activation;
  readonly eps: number;
  /** What was taken for granted because the names and shapes leave it open. */
  readonly assumed: readonly string[];
  readonly stages: { readonly compress?: Stage; readonly encode: Stage; readonly out?: Stage };
}

/** A layer that looks like CARAFE and is not, or not one that can be told. */
export interface RefusedLayer {
  readonly prefix: string;
  readonly reason: string;
}

/** A convolution of the state-dict: the names of its tensors; `ghost` is GhostConv's depthwise half. */
export interface Stage {
  readonly conv: string;
  readonly norm?: string;
  readonly ghost?: { readonly conv: string; readonly norm?: string };
  /** (cOut, cIn, k, k), both halves of a GhostConv counted. */
  readonly shape: readonly number[];
}

export interface FoldedConv {
  readonly weights: { readonly data: Float32Array; readonly shape: [number, number, number, number] };
  readonly bias: { readonly data: Float32Array; readonly shape: [number] };
}

type Tensors = ReadonlyMap<string, StoredTensor>;

/** The names of compressor, encoder and the convolution after the reassembly. */
const NAMES = [
  { compress: 'channel_compressor', encode: 'content_encoder' },
  { compress: 'comp', encode: 'enc' },
  { compress: 'down', encode: 'encoder', out: 'out' },
] as const;

/** Every CARAFE layer of the state-dict, and what only looks like one. */
export function findCarafeLayers(
  tensors: Tensors,
  hints: CarafeHints = {},
): { layers: CarafeLayer[]; refused: RefusedLayer[] } {
  const layers: CarafeLayer[] = [];
  const refused: RefusedLayer[] = [];
  for (const { prefix, reason } of lookalikes(tensors)) refused.push({ prefix, reason });
  for (const names of NAMES) {
    for (const prefix of prefixes(tensors, names.encode)) {
      if (refused.some((one) => one.prefix === prefix)) continue;
      const encode = stageAt(tensors, prefix + names.encode);
      const compress = stageAt(tensors, prefix + names.compress);
      const out = 'out' in names ? stageAt(tensors, prefix + names.out) : undefined;
      if (!encode || ('out' in names && !(compress && out))) continue; // `encoder` alone is any network's
      const found = describe(prefix, { ...(compress && { compress }), encode, ...(out && { out }) }, names, hints);
      if (typeof found === 'string') refused.push({ prefix, reason: found });
      else if (found) layers.push(found);
    }
  }
  const byPrefix = (a: { prefix: string }, b: { prefix: string }): number =>
    a.prefix.localeCompare(b.prefix, 'en', { numeric: true });
  return { layers: layers.sort(byPrefix), refused: refused.sort(byPrefix) };
}

/** All prefixes under which there is a convolution of that name. */
function prefixes(tensors: Tensors, name: string): string[] {
  const pattern = new RegExp(`^(|.*\\.)${name}\\.(?:weight|conv\\.weight|cv1\\.conv\\.weight)$`);
  return [...tensors.keys()].flatMap((key) => pattern.exec(key)?.[1] ?? []);
}

function lookalikes(tensors: Tensors): RefusedLayer[] {
  const found = new Map<string, string>();
  const mark = (suffix: RegExp, reason: string): void => {
    for (const key of tensors.keys()) {
      const prefix = suffix.exec(key)?.[1];
      if (prefix !== undefined && !found.has(prefix)) found.set(prefix, reason);
    }
  };
  const undilated = 'its window lies on the enlarged grid (unfold without dilation): another operator than CARAFE';
  mark(
    /^(|.*\.)(?:hr_channel_compressor|lr_channel_compressor|content_encoder2)\.weight$/,
    'FreqFusion: reflected borders, a Hamming window and two inputs: another operator than CARAFE',
  );
  mark(/^(|.*\.)kernel_generator\.weight$/, undilated);
  mark(/^(|.*\.)(?:comp_bn|enc_bn)\.weight$/, undilated);
  for (const key of tensors.keys()) {
    const prefix = /^(|.*\.)enc\.weight$/.exec(key)?.[1];
    if (prefix !== undefined && tensors.has(`${prefix}comp.weight`) && !found.has(prefix))
      found.set(
        prefix,
        `plain convolutions named comp and enc: ${undilated}. If yours unfolds with dilation = scale, give the weights to createCarafe`,
      );
    const down = /^(|.*\.)content_encoder\.weight$/.exec(key)?.[1];
    if (down !== undefined && tensors.has(`${down}comp.weight`)) found.set(down, 'CARAFE_downsample: it shrinks');
  }
  return [...found].map(([prefix, reason]) => ({ prefix, reason }));
}

/** The convolution under a name: plain, Conv + BN as `.conv` and `.bn`, or GhostConv as `.cv1` and `.cv2` of those. */
function stageAt(tensors: Tensors, at: string): Stage | undefined {
  const shape = (name: string): readonly number[] | undefined => {
    const found = tensors.get(`${name}.weight`)?.shape;
    return found?.length === 4 ? found : undefined;
  };
  const plain = shape(at);
  if (plain) return { conv: at, shape: plain };
  const normed = (name: string): { conv: string; norm?: string } => {
    const norm = `${name}.bn`;
    return { conv: `${name}.conv`, ...(tensors.has(`${norm}.weight`) && { norm }) };
  };
  const wrapped = shape(`${at}.conv`);
  if (wrapped) return { ...normed(at), shape: wrapped };
  const primary = shape(`${at}.cv1.conv`);
  const cheap = shape(`${at}.cv2.conv`);
  if (!primary || !cheap || cheap[0] !== primary[0]) return undefined;
  return {
    ...normed(`${at}.cv1`),
    ghost: normed(`${at}.cv2`),
    shape: [2 * primary[0], ...primary.slice(1)],
  };
}

/** The layer, a reason why it is none that can be loaded, or nothing where it is not one at all. */
function describe(
  prefix: string,
  stages: CarafeLayer['stages'],
  names: (typeof NAMES)[number],
  hints: CarafeHints,
): CarafeLayer | string | undefined {
  const { compress, encode, out } = stages;
  const [encoded, cMid, kEnc, kEncX] = encode.shape;
  const channels = compress ? compress.shape[1] : cMid;
  if (compress && (compress.shape[0] !== cMid || compress.shape[2] !== 1))
    return out ? undefined : `its compressor is not 1x1 to the encoder's ${cMid} channels`;
  if (kEnc !== kEncX || kEnc % 2 === 0) return out ? undefined : 'its encoder has no square window of odd size';
  const windows = possibleWindows(encoded, channels, kEnc, hints);
  if (out && (out.shape[1] !== channels || out.shape[2] !== 1)) {
    const ratio = out.shape[1] / channels;
    return ratio === 4 || ratio === 9 ? 'CARAFE_downsampling: it shrinks' : undefined;
  }
  if (windows.length === 0)
    return out
      ? undefined
      : `${encoded} outputs of the encoder are no groups * kUp^2 * scale^2 with kUp odd and a scale of 2 or more (say scale: 1 for a filter, which a CARAFE downsampler looks like too)`;
  const [window] = windows;
  const ghost = !!(compress?.ghost || encode.ghost || out?.ghost);
  const inYolo = /(^|\.)model\.\d+\.$/.test(prefix);
  const byNames = ghost
    ? 'ghost'
    : names.compress === 'channel_compressor'
      ? 'mmcv'
      : names.compress === 'down'
        ? 'down-encoder-out'
        : inYolo
          ? 'yolo'
          : 'xialipku';
  const family: CarafeFamily = hints.family ?? byNames;
  const usual = {
    mmcv: { activation: 'none', eps: 1e-5 },
    xialipku: { activation: 'relu', eps: 1e-5 },
    yolo: { activation: 'silu', eps: 1e-3 },
    'down-encoder-out': { activation: 'none', eps: 1e-5 },
    ghost: { activation: 'silu', eps: 1e-3 },
  } as const;
  const hasNorm = !!(compress?.norm ?? encode.norm);
  const { activation = usual[family].activation, eps = usual[family].eps } = hints;
  return {
    prefix,
    family,
    channels,
    outChannels: out ? out.shape[0] : channels,
    cMid,
    kEnc,
    ...window,
    activation,
    eps,
    assumed: [
      ...(windows.length > 1 && hints.scale === undefined
        ? [`scale ${window.scale}, kUp ${window.kUp}, groups ${window.groups}`]
        : []),
      ...(hasNorm && hints.activation === undefined ? [`activation ${activation}`] : []),
      ...(hasNorm && hints.eps === undefined ? [`eps ${eps} of batch norm`] : []),
    ],
    stages,
  };
}

/**
 * What the encoder's outputs can mean, the likeliest first: one group, the paper's kUp = kEnc + 2 or kUp = kEnc, scale
 * 2.
 */
function possibleWindows(
  encoded: number,
  channels: number,
  kEnc: number,
  hints: CarafeHints,
): { scale: number; kUp: number; groups: number }[] {
  const found: { scale: number; kUp: number; groups: number }[] = [];
  for (let scale = hints.scale ?? 2; scale <= (hints.scale ?? 8); scale++) {
    for (let kUp = 1; kUp <= 15; kUp += 2) {
      const groups = encoded / (kUp * kUp * scale * scale);
      if (Number.isInteger(groups) && groups >= 1 && channels % groups === 0 && groups === (hints.groups ?? groups))
        found.push({ scale, kUp, groups });
    }
  }
  const unusual = ({ scale, kUp, groups }: (typeof found)[number]): number =>
    (groups === 1 ? 0 : 100 + groups) +
    (kUp === kEnc + 2 ? 0 : kUp === kEnc ? 1 : 10 + kUp) +
    (scale === 2 ? 0 : scale);
  return found.sort((a, b) => unusual(a) - unusual(b)).filter(({ kUp }, _, all) => kUp > 1 || all.length === 1);
}

/**
 * A stage's convolution with batch norm folded in, in f64: weights * gamma / sqrt(var + eps), bias likewise; zeros
 * where there is none.
 * @throws {CarafeError} ModelInvalid naming the tensor
 */
export function foldConv(tensors: Tensors, { conv, norm }: Pick<Stage, 'conv' | 'norm'>, eps: number): FoldedConv {
  const find = (name: string): StoredTensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw invalid(name, 'a tensor', 'none of that name');
    return tensor;
  };
  const read = (name: string, shape: readonly number[]): Float32Array => {
    const tensor = find(name);
    if (tensor.shape.join() !== shape.join()) throw invalid(name, `shape [${shape}]`, tensor.shape);
    const data = toFloat32(name, tensor);
    if (!data.every(Number.isFinite)) throw invalid(name, 'finite values', 'some that are not');
    return data;
  };
  const shape = find(`${conv}.weight`).shape as [number, number, number, number];
  const [cOut, cIn, kh, kw] = shape;
  const stored = read(`${conv}.weight`, shape);
  const weights = new Float32Array(stored);
  const bias = tensors.has(`${conv}.bias`) ? new Float32Array(read(`${conv}.bias`, [cOut])) : new Float32Array(cOut);
  if (norm) {
    const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((name) =>
      read(`${norm}.${name}`, [cOut]),
    );
    const size = cIn * kh * kw;
    for (let co = 0; co < cOut; co++) {
      if (variance[co] + eps <= 0) throw invalid(`${norm}.running_var`, 'no negative variance', variance[co]);
      const factor = gamma[co] / Math.sqrt(variance[co] + eps);
      for (let i = co * size; i < (co + 1) * size; i++) weights[i] = stored[i] * factor;
      bias[co] = (bias[co] - mean[co]) * factor + beta[co];
    }
  }
  return { weights: { data: weights, shape }, bias: { data: bias, shape: [cOut] } };
}

function invalid(name: string, expectation: string, got: unknown): CarafeError {
  return expected('ModelInvalid', name, expectation, got);
}
