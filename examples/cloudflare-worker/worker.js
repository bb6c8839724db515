// POST a picture to /upscale, and the answer is it at twice its size. See carafe-web/edge for the options.
import * as decodeJpeg from '@jsquash/jpeg/decode.js';
import decodeJpegWasm from '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm';
import * as encodeJpeg from '@jsquash/jpeg/encode.js';
import encodeJpegWasm from '@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm';
import * as decodeWebp from '@jsquash/webp/decode.js';
import decodeWebpWasm from '@jsquash/webp/codec/dec/webp_dec.wasm';
import * as encodeWebp from '@jsquash/webp/encode.js';
import encodeWebpWasm from '@jsquash/webp/codec/enc/webp_enc_simd.wasm';
import { createHandler, jsquash, png } from 'carafe-web/edge';
import small from 'carafe-web/models/small-x2.safetensors';
import tiny from 'carafe-web/models/tiny-x2.safetensors';
import wasm from 'carafe-web/simd.wasm';

export default {
  fetch: createHandler({
    wasm,
    models: { 'small-x2': small, 'tiny-x2': tiny },
    codecs: {
      png,
      jpeg: jsquash({
        decode: { module: decodeJpeg, wasm: decodeJpegWasm },
        encode: { module: encodeJpeg, wasm: encodeJpegWasm, options: { progressive: false } },
      }),
      webp: jsquash({
        decode: { module: decodeWebp, wasm: decodeWebpWasm },
        encode: { module: encodeWebp, wasm: encodeWebpWasm, options: { method: 2 } },
      }),
    },
    // An isolate has 128 MB. At 800x800 in every format and quality, with others waiting, this worker was seen to take 100.
    limits: { pixels: 800 * 800, bytes: 2 * 2 ** 20, waiting: 4 },
    allow: [], // hosts for GET /upscale?url=..., such as 'images.example.com'
  }),
};
