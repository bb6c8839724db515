// What the test page loads: runs the suite here, or has a module worker run it.
import { type BrowserBackend, type Report, run } from './run.js';

declare global {
  interface Window {
    conformance(backend: BrowserBackend, thread: Report['thread'], atOnce?: number): Promise<Report>;
  }
}

window.conformance = (backend, thread, atOnce) =>
  thread === 'page' ? run(backend, atOnce) : runInWorker(backend, atOnce);

function runInWorker(backend: BrowserBackend, atOnce?: number): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      resolve(data);
      worker.terminate();
    };
    worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
    worker.postMessage([backend, atOnce]);
  });
}
