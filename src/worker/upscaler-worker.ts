// The entry of carafe-web-worker.js: the upscaler and the operator.
import { openSession } from '../engine/specs.js';
import { HANDSHAKE } from './handshake.js';
import { serve } from './host.js';

serve(HANDSHAKE, openSession);
