// The entry of carafe-web-networks-worker.js: whole architectures.
import { openNetwork } from '../engine/network.js';
import { NETWORKS_HANDSHAKE } from './handshake.js';
import { serve } from './host.js';

serve(NETWORKS_HANDSHAKE, openNetwork);
