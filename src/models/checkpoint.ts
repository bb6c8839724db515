// A checkpoint of somebody's training, whatever the format: every tensor by name, its values in the file until they are
// read.
import { expected } from '../core/errors.js';
import { readSafetensors } from './safetensors.js';
import { DTYPES, type StoredTensor } from './stored-tensor.js';
import { isZip, readTorchCheckpoint } from './torch-checkpoint.js';

const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]; // torch.save before 1.6
const TAR_MAGIC_AT = 257;

/** A .safetensors, or a .pth/.pt as torch.save writes it since 1.6. @throws {CarafeError} ModelInvalid */
export function readCheckpoint(bytes: Uint8Array): {
  tensors: ReadonlyMap<string, StoredTensor>;
  metadata: Readonly<Record<string, string>>;
} {
  const old = 'resave it with torch >= 1.6: torch.save(torch.load(path), path)';
  if (new TextDecoder().decode(bytes.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5)) === 'ustar')
    throw expected('ModelInvalid', 'file', `the zip format of torch.save (${old})`, 'the legacy tar format');
  if (LEGACY_MAGIC.every((byte, i) => bytes[i] === byte))
    throw expected(
      'ModelInvalid',
      'file',
      `the zip format of torch.save (${old})`,
      'the legacy format before torch 1.6',
    );
  const { tensors, metadata } = isZip(bytes)
    ? { tensors: readTorchCheckpoint(bytes), metadata: {} }
    : readSafetensors(bytes, DTYPES);
  return { tensors: withoutModulePrefix(tensors), metadata };
}

/** Names as the model has them: DataParallel and DistributedDataParallel put `module.` before every one. */
function withoutModulePrefix(tensors: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  if (tensors.size === 0 || ![...tensors.keys()].every((name) => name.startsWith('module.'))) return tensors;
  return withoutModulePrefix(new Map([...tensors].map(([name, tensor]) => [name.slice('module.'.length), tensor])));
}
