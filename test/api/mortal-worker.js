// A worker that dies at its fifth message, or at the one that its URL's query says.
import 'carafe-web/worker';
import { parentPort } from 'node:worker_threads';

const last = Number(new URL(import.meta.url).searchParams.get('messages') ?? 5);
let messages = 0;
parentPort.on('message', () => {
  if (++messages === last) process.exit(3);
});
