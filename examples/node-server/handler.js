// The handler of carafe-web/edge from files, for Node, Deno and Bun.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as decodeAvif from '@jsquash/avif/decode.js';
import * as decodeJpeg from '@jsquash/jpeg/decode.js';
import * as encodeJpeg from '@jsquash/jpeg/encode.js';
import * as decodeWebp from '@jsquash/webp/decode.js';
import * as encodeWebp from '@jsquash/webp/encode.js';
import { createHandler, jsquash, png } from 'carafe-web/edge';

const read = (file) => readFileSync(fileURLToPath(import.meta.resolve(file)));
const part = (module, file, options) => ({ module, wasm: new WebAssembly.Module(read(file)), options });

export const handler = createHandler({
  wasm: read('carafe-web/simd.wasm'),
  models: {
    'small-x2': read('carafe-web/models/small-x2.safetensors'),
    'base-x2': read('carafe-web/models/base-x2.safetensors'),
    'base-x4': read('carafe-web/models/base-x4.safetensors'),
  },
  codecs: {
    png,
    jpeg: jsquash({
      decode: part(decodeJpeg, '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'),
      encode: part(encodeJpeg, '@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm', { progressive: false }),
    }),
    webp: jsquash({
      decode: part(decodeWebp, '@jsquash/webp/codec/dec/webp_dec.wasm'),
      encode: part(encodeWebp, '@jsquash/webp/codec/enc/webp_enc_simd.wasm', { method: 2 }),
    }),
    avif: jsquash({ decode: part(decodeAvif, '@jsquash/avif/codec/dec/avif_dec.wasm') }),
  },
  limits: { bytes: 16 * 2 ** 20, pixels: 16_000_000 },
});
