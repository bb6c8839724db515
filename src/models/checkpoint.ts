// A checkpoint of somebody's training, whatever the format: every tensor by name, its values in the file until they are
// read.
import { expected } from '../core/errors.js';
import { readSafetensors } from './safetensors.js';
import { DTYPES, type StoredTensor } from './stored-tensor.js';
import { isZip, readTorchCheckpoint } from './torch-checkpoint.js';

const TAR_MAGIC_AT = 257;
const PICKLE = 0x80; // the first byte of torch.save's files before 1.6

/** A .safetensors, or a .pth/.pt as torch.save writes it since 1.6. @throws {CarafeError} ModelInvalid */
export function readCheckpoint(bytes: Uint8Array): {
  tensors: ReadonlyMap<string, StoredTensor>;
  metadata: Readonly<Record<string, string>>;
} {
  if (isZip(bytes)) return { tensors: withoutWrappers(readTorchCheckpoint(bytes)), metadata: {} };
  if (bytes[8] === '{'.charCodeAt(0)) {
    const { tensors, metadata } = readSafetensors(bytes, DTYPES);
    return { tensors: withoutWrappers(tensors), metadata };
  }
  const text = (from: number, to: number): string => new TextDecoder().decode(bytes.subarray(from, to));
  const isTar = text(TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === 'ustar';
  if (isTar || bytes[0] === PICKLE)
    throw expected(
      'ModelInvalid',
      'file',
      'the zip format of torch.save (resave it with torch >= 1.6: torch.save(torch.load(path), path))',
      isTar ? 'the legacy tar format' : 'a bare pickle, the legacy format before torch 1.6',
    );
  throw expected('ModelInvalid', 'file', 'a .safetensors, .pth or .pt', `${bytes.length} bytes: ${text(0, 40)}`);
}

/** What torch.compile, FSDP and activation checkpointing put into names, wherever they wrap a module. */
const WRAPPERS = ['_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module'];
/** DataParallel, DistributedDataParallel and averaged models have it before all names but those of their own counters. */
const OUTERMOST = 'module.';

/** Names as the model has them. */
function withoutWrappers(tensors: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  let named = [...tensors].map(
    ([name, tensor]) =>
      [
        name
          .split('.')
          .filter((part) => !WRAPPERS.includes(part))
          .join('.'),
        tensor,
      ] as const,
  );
  const isInside = ([name, { shape }]: (typeof named)[number]): boolean =>
    shape.length === 0 || name.startsWith(OUTERMOST);
  while (named.some(([name]) => name.startsWith(OUTERMOST)) && named.every(isInside))
    named = named.map(([name, tensor]) => [name.startsWith(OUTERMOST) ? name.slice(OUTERMOST.length) : name, tensor]);
  return new Map(named);
}
