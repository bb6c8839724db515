// Writes safetensors: 8 bytes header length (little endian), a JSON header padded with spaces to a multiple of 8, then
// the data, f32. Source: github.com/huggingface/safetensors, README "Format".
import type { Bytes } from '../core/platform.js';
import type { ModelFile } from './safetensors.js';

export function writeSafetensors({ tensors, metadata }: ModelFile): Bytes {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let length = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [length, length + data.byteLength] };
    length += data.byteLength;
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8));
  const file = new Uint8Array(8 + text.length + length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at); // little endian, as every engine with wasm
    at += data.byteLength;
  }
  return file;
}
