// Files that an option names: a model and a wasm build, from wherever the caller has them, to bytes or a Module that belong to us.
import { expected } from '../core/errors.js';
import type { Global, WasmModule } from '../core/platform.js';
import { bytesOf, isUrl, tagOf } from '../core/tag.js';

/** A file: where it is, or its bytes (a Buffer is a Uint8Array). A string is a URL, relative to the page's where there is one. */
export type FileSource = Global<'URL'> | (string & {}) | ArrayBuffer | Uint8Array;

/** Kernels that every build of ours has, by which a Module of somebody else is known. */
const KERNELS = ['conv2d', 'reassemble', 'resize'];

/** The bytes of a model. @throws {CarafeError} InvalidOption for what is no file, ModelInvalid for one that cannot be read. */
export async function loadModel(model: FileSource): Promise<Uint8Array> {
  const file = typeof model === 'string' ? toUrl(model) : model;
  try {
    const bytes = bytesOf(file) ?? (isUrl(file) && (await readUrl(file)));
    if (bytes) return bytes.slice(); // the caller's may change before it is parsed; a small Buffer is a window on a large one
  } catch (cause) {
    throw expected('ModelInvalid', 'model', 'a URL that can be read', `${file}: ${(cause as Error).message}`);
  }
  throw expected('InvalidOption', 'model', 'a URL or the bytes of a .safetensors file', model);
}

/** @throws {CarafeError} InvalidOption */
export async function loadWasm(wasm: FileSource | WasmModule): Promise<WebAssembly.Module> {
  const module =
    tagOf(wasm) === 'WebAssembly.Module' ? (wasm as WebAssembly.Module) : await compile(wasm as FileSource);
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  if (!KERNELS.every((kernel) => exported.includes(kernel)))
    throw expected(
      'InvalidOption',
      'wasm',
      'a build of this package (carafe-web/simd.wasm or relaxed.wasm)',
      `a module that exports ${exported.slice(0, 5).join(', ') || 'nothing'}`,
    );
  return module;
}

async function compile(wasm: FileSource): Promise<WebAssembly.Module> {
  const file = typeof wasm === 'string' ? toUrl(wasm) : wasm;
  try {
    const bytes = bytesOf(file) ?? (isUrl(file) && (await readUrl(file)));
    if (bytes) return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    throw expected(
      'InvalidOption',
      'wasm',
      'a WebAssembly binary that can be read and compiled',
      (cause as Error).message,
    );
  }
  throw expected('InvalidOption', 'wasm', 'a WebAssembly.Module, a URL or the bytes of a .wasm file', wasm);
}

/** A string as the URL it stands for; itself if it is none. */
export function toUrl(text: string): URL | string {
  try {
    return new URL(text, globalThis.location?.href);
  } catch {
    return text;
  }
}

/** Node's fetch does not read file: URLs. */
export async function readUrl(url: URL): Promise<Uint8Array> {
  const files = url.protocol === 'file:' ? globalThis.process?.getBuiltinModule?.('node:fs/promises') : undefined;
  if (files) return files.readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
