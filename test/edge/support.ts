// The handler as an app makes it, from this repository's files.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as decodeAvif from '@jsquash/avif/decode.js';
import * as decodeJpeg from '@jsquash/jpeg/decode.js';
import * as encodeJpeg from '@jsquash/jpeg/encode.js';
import * as decodeWebp from '@jsquash/webp/decode.js';
import * as encodeWebp from '@jsquash/webp/encode.js';
import sharp, { type Sharp } from 'sharp';
import { createHandler, type Handler, type HandlerOptions, jsquash, png } from '../../src/edge/index.js';

const { resolve } = createRequire(import.meta.url);
const module = (file: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(resolve(file)));
const read = (file: string): Uint8Array => readFileSync(new URL(`../../${file}`, import.meta.url));

export const codecs: HandlerOptions['codecs'] = {
  png,
  jpeg: jsquash({
    decode: { module: decodeJpeg, wasm: module('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm') },
    encode: { module: encodeJpeg, wasm: module('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm') },
  }),
  webp: jsquash({
    decode: { module: decodeWebp, wasm: module('@jsquash/webp/codec/dec/webp_dec.wasm') },
    encode: { module: encodeWebp, wasm: module('@jsquash/webp/codec/enc/webp_enc_simd.wasm') },
  }),
  avif: jsquash({ decode: { module: decodeAvif, wasm: module('@jsquash/avif/codec/dec/avif_dec.wasm') } }),
};

export const MODELS = {
  'small-x2': read('models/small-x2.safetensors'),
  'tiny-x2': read('models/tiny-x2.safetensors'),
  'tiny-x4': read('models/tiny-x4.safetensors'),
};

export function handlerWith(options: Partial<HandlerOptions> = {}): Handler {
  return createHandler({ wasm: read('dist/carafe-simd.wasm'), models: MODELS, codecs, ...options });
}

export const post = (body: BodyInit | null, query = '', init: RequestInit = {}): Request =>
  new Request(`http://edge.test/upscale${query}`, { method: 'POST', body, duplex: 'half', ...init } as RequestInit);

/** A few colours and shapes, with or without transparency. */
export function photo(width = 60, height = 44, alpha = false): Sharp {
  const channels = alpha ? 4 : 3;
  const data = Buffer.alloc(width * height * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels;
      data[at] = (x * 255) / width;
      data[at + 1] = (y * 255) / height;
      data[at + 2] = (x - 20) ** 2 + (y - 20) ** 2 < 150 ? 220 : 40;
      if (alpha) data[at + 3] = x < 30 ? 255 : y * 5;
    }
  return sharp(data, { raw: { width, height, channels } });
}

export interface JsonError {
  readonly error: { readonly code: string; readonly message: string; readonly limit?: number };
}
