// The two builds of assembly/, and which of them this engine runs. An engine has a build if it accepts the build's own
// opcodes and gives the known answer: some report relaxed SIMD and lack an opcode, or compute one wrongly.
import deflated from '../../../dist/wasm-builds.deflate';
import { CarafeError } from '../../core/errors.js';
import { type Backend, PLAIN } from '../backend.js';
import { createWasmBackend } from './wasm-backend.js';

export type WasmBuild = 'relaxed-simd' | 'simd';

/** Of base64. */
export async function inflate(deflated: string): Promise<ArrayBuffer> {
  const { writable, readable } = new DecompressionStream('deflate-raw');
  const writer = writable.getWriter();
  const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  void writer.write(bytesOf(deflated)).then(() => writer.close());
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (const reader = readable.getReader(); ; ) {
    // a Response would read it all, but Node takes 25 ms to load that
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  return new Blob(chunks).arrayBuffer();
}

/** scripts/build.js deflates them as one stream, in which the second costs little. */
async function inflateBuilds(): Promise<Record<WasmBuild, Uint8Array<ArrayBuffer>>> {
  const bytes = await inflate(deflated);
  const simdLength = new DataView(bytes).getUint32(0, true);
  return { simd: new Uint8Array(bytes, 4, simdLength), 'relaxed-simd': new Uint8Array(bytes, 4 + simdLength) };
}

/** The fastest build that works here. @throws {CarafeError} BackendUnavailable with a reason for each build. */
export async function openWasmBackend(): Promise<Backend> {
  const reasons: string[] = [];
  for (const build of ['relaxed-simd', 'simd'] as const) {
    try {
      return await openWasmBuild(build);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new CarafeError('BackendUnavailable', reasons.join('; '));
}

/** @throws {CarafeError} BackendUnavailable if the engine has no such SIMD, refuses to compile or computes wrongly. */
export async function openWasmBuild(build: WasmBuild): Promise<Backend> {
  if (typeof WebAssembly !== 'object') throw new CarafeError('BackendUnavailable', 'WebAssembly is not available here');
  const bytes = (await inflateBuilds())[build];
  if (!WebAssembly.validate(bytes))
    throw new CarafeError('BackendUnavailable', `this engine has no WebAssembly ${build}`);
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new CarafeError(
      'BackendUnavailable',
      `this engine does not compile the ${build} build: ${(cause as Error).message}`,
    );
  }
  return openWasmModule(module, build);
}

/**
 * For a module compiled elsewhere (edge runtimes hand out modules, not bytes). @throws {CarafeError} BackendUnavailable
 * also if it is no build of ours.
 */
export async function openWasmModule(module: WebAssembly.Module, details: string): Promise<Backend> {
  try {
    const backend = await createWasmBackend(module, details);
    if (await knownAnswer(backend)) return backend;
  } catch (cause) {
    throw new CarafeError('BackendUnavailable', `the ${details} build does not run here: ${(cause as Error).message}`);
  }
  throw new CarafeError('BackendUnavailable', `this engine computes a wrong known answer with the ${details} build`);
}

/** A convolution whose sums are exact in f32 (small integers), so that every correct engine gives these very values. */
async function knownAnswer(backend: Backend): Promise<boolean> {
  const conv = backend.conv({
    weights: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    bias: Float32Array.of(1, 2, 3, 4, 5),
    cOut: 5,
    cIn: 2,
    k: 1,
  });
  const y = await backend.run((ops) => ops.conv2d(ops.input(Float32Array.of(1, 2, -3, 4), [1, 1, 2, 2]), conv, PLAIN));
  return y.join() === '6,13,20,27,34,6,9,12,15,18';
}
