// Where a checkpoint comes from.
import { expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import { bytesOf, isUrl, tagOf } from '../core/tag.js';
import { type FileSource, readUrl, toUrl } from './load.js';

/** The bytes of a .safetensors, .pth or .pt, or where they are. */
export type CheckpointSource = FileSource | Global<'Blob'>;

/** @throws {CarafeError} InvalidOption, ModelInvalid */
export async function readSource(source: CheckpointSource): Promise<Uint8Array> {
  const bytes = bytesOf(source);
  if (bytes) return bytes;
  if (['Blob', 'File'].includes(tagOf(source))) return new Uint8Array(await (source as Blob).arrayBuffer());
  const url = typeof source === 'string' ? toUrl(source) : source;
  if (!isUrl(url)) throw expected('InvalidOption', 'source', 'bytes, a Blob or a URL of a checkpoint', source);
  try {
    return await readUrl(url);
  } catch (error) {
    throw expected('ModelInvalid', 'source', 'a checkpoint that can be read', (error as Error).message);
  }
}
