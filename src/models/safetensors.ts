// Reads safetensors: 8 bytes header length (little endian), a JSON header {name: {dtype, shape, data_offsets}}, then
// the data. Source: github.com/huggingface/safetensors, README "Format". Every number in the header is checked before
// it is used, so that a truncated or hostile file costs one error and no memory.
import { type CarafeError, expected } from '../core/errors.js';
import { type Dtype, type StoredTensor, DTYPE_BYTES, toFloat32 } from './stored-tensor.js';

export interface ModelTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface ModelFile {
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const MAX_HEADER_BYTES = 100_000_000; // the format's own limit

/** Of the factors of an I8 tensor. */
const SCALE = '.scale';

/**
 * A file of the package's own models: every tensor as f32. An I8 tensor `NAME` is multiplied by `NAME.scale`, a factor
 * for each index of its first axis. @throws {CarafeError} ModelInvalid with the first thing that is wrong.
 */
export function parseSafetensors(bytes: Uint8Array): ModelFile {
  const { tensors, metadata } = readSafetensors(bytes, ['F32', 'F16', 'BF16', 'I8']);
  const isScale = (name: string): boolean =>
    name.endsWith(SCALE) && tensors.get(name.slice(0, -SCALE.length))?.dtype === 'I8';
  const floats = new Map<string, ModelTensor>();
  for (const [name, tensor] of tensors) {
    if (isScale(name)) continue;
    const data = tensor.dtype === 'I8' ? dequantized(name, tensor, tensors) : toFloat32(name, tensor);
    floats.set(name, { shape: tensor.shape, data });
  }
  return { metadata, tensors: floats };
}

function dequantized(
  name: string,
  { shape, read }: StoredTensor,
  tensors: ReadonlyMap<string, StoredTensor>,
): Float32Array {
  const scale = tensors.get(name + SCALE);
  const [channels = 1] = shape;
  if (scale?.shape.join() !== String(channels))
    throw invalid(name + SCALE, `a tensor of shape [${channels}], the factors of "${name}",`, scale?.shape ?? 'none');
  const factors = toFloat32(name + SCALE, scale);
  const values = new Int8Array(new Uint8Array(read()).buffer);
  const each = values.length / channels;
  return new Float32Array(values).map((value, i) => value * factors[Math.floor(i / each)]);
}

/**
 * What the file says, its values where they lie. `dtypes` are those the caller can use. @throws {CarafeError}
 * ModelInvalid.
 */
export function readSafetensors(
  bytes: Uint8Array,
  dtypes: readonly Dtype[],
): { tensors: ReadonlyMap<string, StoredTensor>; metadata: Readonly<Record<string, string>> } {
  const { header, data } = splitHeader(bytes);
  const metadata: Record<string, string> = {};
  const ranges: [begin: number, end: number, name: string][] = [];
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(entry)) throw invalid('__metadata__', 'an object of strings', entry);
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') throw invalid(`__metadata__.${key}`, 'a string', value);
        metadata[key] = value;
      }
      continue;
    }
    const { dtype, shape, begin, end } = checkEntry(name, entry, data.byteLength, dtypes);
    ranges.push([begin, end, name]);
    tensors.set(name, { dtype, shape, read: () => data.subarray(begin, end) });
  }
  ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let covered = 0;
  for (const [begin, end, name] of ranges) {
    if (begin !== covered)
      throw invalid(`${name}.data_offsets`, `to begin where the previous tensor ends (${covered})`, begin);
    covered = end;
  }
  if (covered !== data.byteLength)
    throw invalid('data', `${covered} bytes, the end of the last tensor`, data.byteLength);
  return { tensors, metadata };
}

function splitHeader(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.byteLength < 8) throw invalid('file', 'at least 8 bytes of safetensors', bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > Math.min(MAX_HEADER_BYTES, bytes.byteLength - 8))
    throw invalid('header length', `at most ${bytes.byteLength - 8}, the bytes that follow,`, length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw invalid('header', 'JSON', 'bytes that are not');
  }
  if (!isRecord(header)) throw invalid('header', 'a JSON object', header);
  return { header, data: bytes.subarray(8 + length) };
}

function checkEntry(
  name: string,
  entry: unknown,
  available: number,
  dtypes: readonly Dtype[],
): { dtype: Dtype; shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw invalid(name, 'an object', entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  const known = dtypes.find((one) => one === dtype);
  if (!known) throw invalid(`${name}.dtype`, dtypes.join(', ').replace(/, (\w+)$/, ' or $1'), dtype);
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isSize))
    throw invalid(`${name}.shape`, 'at most 8 sizes', shape);
  if (
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every(isSize) ||
    offsets[0] > offsets[1] ||
    offsets[1] > available
  ) {
    throw invalid(`${name}.data_offsets`, `[begin, end] within the ${available} bytes of data`, offsets);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product: number, size: number) => product * size, DTYPE_BYTES[known]);
  if (end - begin !== bytes)
    throw invalid(`${name}.data_offsets`, `${bytes} bytes, the product of shape and dtype,`, end - begin);
  return { dtype: known, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function invalid(name: string, expectation: string, got: unknown): CarafeError {
  return expected('ModelInvalid', name, expectation, got);
}
