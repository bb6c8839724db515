// What add.js and worker.js share. REDIS names the server: redis://host:6379.
import { Redis } from 'ioredis';

export const NAME = 'enlarge';
export const connection = new Redis(process.env.REDIS ?? 'redis://127.0.0.1:6379', { maxRetriesPerRequest: null });
