// The same as an app of wrangler's.
import { createUpscaler } from 'carafe-web/inline';
import model from 'carafe-web/models/base-x2.safetensors';
import wasm from 'carafe-web/simd.wasm';
import { attempts } from './attempts.js';

export default {
  fetch: async () => Response.json(await attempts((options) => createUpscaler({ ...options, wasm, model }))),
};
