// The suite in a module worker.
import { type BrowserBackend, run } from './run.js';

self.onmessage = async ({ data }: MessageEvent<[BrowserBackend, number | undefined]>) => {
  self.postMessage(await run(...data));
};
