// Where whole architectures run: a worker of their own, since they have more ops than the upscaler, or this thread.
// A chunk of the package, as src/worker/spawn.ts asks of whoever looks for the worker's file.
import { NETWORKS_HANDSHAKE } from './handshake.js';
import type { PoolOptions } from './pool.js';

export const NETWORKS_HOME: Required<Pick<PoolOptions, 'workerFile' | 'open'>> = {
  workerFile: {
    handshake: NETWORKS_HANDSHAKE,
    name: 'carafe-web-networks-worker.js',
    url: () => new URL('./carafe-web-networks-worker.js', import.meta.url),
    chunk: () => import.meta.url,
    text: async () => (await import('../../dist/carafe-web-networks-worker.js?text')).default,
  },
  open: async (request) => (await import('../engine/network.js')).openNetwork(request),
};
