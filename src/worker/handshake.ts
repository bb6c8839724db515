// What a worker of this package answers first, and no other file does: the caller refuses anything else (spawn.ts).
import { version } from '../../package.json';

export const HANDSHAKE = `carafe-web ${version}`;
/** The same of the worker that runs whole architectures. */
export const NETWORKS_HANDSHAKE = `${HANDSHAKE} networks`;
