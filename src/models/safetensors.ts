// Reads safetensors: 8 bytes header length (little endian), a JSON header {name: {dtype, shape, data_offsets}}, then the data.
// Source: github.com/huggingface/safetensors, README "Format". Every number in the header is checked before it is used, so that a
// truncated or hostile file costs one error and no memory. F32, F16 and BF16 become f32.
import { type CarafeError, expected } from '../core/errors.js';
import { fromHalf } from '../core/half.js';

export interface ModelTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface ModelFile {
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const BYTES: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
const MAX_HEADER_BYTES = 100_000_000; // the format's own limit

/** @throws {CarafeError} ModelInvalid with the first thing that is wrong. */
export function parseSafetensors(bytes: Uint8Array): ModelFile {
  const { header, data } = splitHeader(bytes);
  const metadata: Record<string, string> = {};
  const ranges: [begin: number, end: number, name: string][] = [];
  const tensors = new Map<string, ModelTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(entry)) throw invalid('__metadata__', 'an object of strings', entry);
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') throw invalid(`__metadata__.${key}`, 'a string', value);
        metadata[key] = value;
      }
      continue;
    }
    const { dtype, shape, begin, end } = checkEntry(name, entry, data.byteLength);
    ranges.push([begin, end, name]);
    tensors.set(name, { shape, data: toFloat32(data.subarray(begin, end), dtype) });
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
): { dtype: string; shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw invalid(name, 'an object', entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype))
    throw invalid(`${name}.dtype`, 'F32, F16 or BF16', dtype);
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
  const bytes = shape.reduce((product: number, size: number) => product * size, BYTES[dtype]);
  if (end - begin !== bytes)
    throw invalid(`${name}.data_offsets`, `${bytes} bytes, the product of shape and dtype,`, end - begin);
  return { dtype, shape, begin, end };
}

function toFloat32(bytes: Uint8Array, dtype: string): Float32Array {
  const aligned = new Uint8Array(bytes).buffer; // copied, as slice() would not a Node Buffer; little endian, as every engine with wasm
  if (dtype === 'F32') return new Float32Array(aligned);
  const halves = new Uint16Array(aligned);
  if (dtype === 'F16') return Float32Array.from(halves, fromHalf);
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < words.length; i++) words[i] = halves[i] << 16;
  return new Float32Array(words.buffer);
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
