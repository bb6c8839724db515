// The entry of carafe-web-wasm-worker.js: the upscaler where there is no GPU. scripts/build.js leaves WebGPU out of it.
import { Session } from '../engine/session.js';
import { upscaler } from '../engine/upscaler.js';
import { HANDSHAKE } from './handshake.js';
import { serve } from './host.js';

serve(HANDSHAKE, ({ options, ...request }) => Session.open(upscaler, request, options));
