// How a format is read and written: handed in, as edge runtimes take wasm only as modules that the app imports.
import type { Global, WasmModule } from '../core/platform.js';
import type { RawImage } from '../core.js';

export interface Codec {
  /** The bytes of a file to RGBA8, straight alpha, turned as the file says. Rejects for a file that is broken. */
  decode?(file: Uint8Array): Promise<RawImage>;
  /** RGBA8 to the bytes of a file; quality 1..100, which lossless formats ignore. */
  encode?(image: RawImage, quality: number): Promise<Uint8Array>;
}

/** A module of @jsquash, such as `import * as decode from '@jsquash/jpeg/decode.js'`, and its wasm file, compiled. */
export interface JsquashPart<Call> {
  readonly module: { readonly default: Call; init(wasm: WasmModule): Promise<unknown> };
  readonly wasm: WasmModule;
  /** Further options of its call, such as `{ method: 2 }` for WebP: a quarter of the time for 3 % more bytes. */
  readonly options?: object;
}

export interface Pixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/**
 * A codec of @jsquash/jpeg, /webp or /avif.
 * @example
 * import * as decode from '@jsquash/webp/decode.js';
 * import decodeWasm from '@jsquash/webp/codec/dec/webp_dec.wasm';
 * const webp = jsquash({ decode: { module: decode, wasm: decodeWasm } });
 */
export function jsquash({
  decode,
  encode,
}: {
  decode?: JsquashPart<(file: ArrayBuffer, options?: { preserveOrientation: boolean }) => Promise<Pixels | null>>;
  encode?: JsquashPart<(image: Global<'ImageData', Pixels>, options?: { quality: number }) => Promise<ArrayBuffer>>;
}): Codec {
  const decoder = decode && started(decode);
  const encoder = encode && started(encode);
  return {
    ...(decode &&
      decoder && {
        decode: (file) =>
          decoder(async (call) => {
            const buffer = (file.byteLength === file.buffer.byteLength ? file : file.slice()).buffer as ArrayBuffer;
            const image = await call(buffer, { preserveOrientation: true, ...decode.options });
            if (!image) throw new Error('it cannot be decoded');
            const { data, width, height } = image;
            return { data: data as RawImage['data'], width, height };
          }),
      }),
    ...(encode &&
      encoder && {
        encode: ({ data, width, height }, quality) =>
          encoder(
            async (call) =>
              new Uint8Array(await call({ data, width, height } as ImageData, { ...encode.options, quality })),
          ),
      }),
  };
}

/** One instance for all pictures: memory of those that are dropped is not given back soon. A failure may leave it broken: the next is new. */
function started<Call>({ module, wasm }: JsquashPart<Call>) {
  let ready: Promise<unknown> | undefined;
  return async <T>(work: (call: Call) => Promise<T>): Promise<T> => {
    try {
      await (ready ??= module.init(wasm));
      return await work(module.default);
    } catch (error) {
      ready = undefined;
      throw error;
    }
  };
}
