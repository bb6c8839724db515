// workerd as it is: modules by their paths. Its isolates have no workers and no import(), and take compiled wasm only.
import { createUpscaler } from './node_modules/carafe-web/dist/inline.js';
import wasm from './node_modules/carafe-web/dist/carafe-simd.wasm';
import model from './node_modules/carafe-web/models/base-x2.safetensors';
import { attempts } from './attempts.js';

export default {
  fetch: async () => Response.json(await attempts((options) => createUpscaler({ ...options, wasm, model }))),
};
