// A worker that dies in the middle of its work.
import 'carafe-web/worker';
import { parentPort } from 'node:worker_threads';

let messages = 0;
parentPort.on('message', () => {
  if (++messages === 5) process.exit(3);
});
