// ONNX Runtime on one thread, as a web page (wasm) and as a server (native) would run it.

/**
 * @typedef {{ data: Float32Array, shape: readonly number[] }} Tensor
 * @typedef {{
 *   run: (data: Float32Array, shape: number[]) => Promise<Float32Array>,
 *   runAll: (inputs: Record<string, Tensor>) => Promise<Float32Array[]>,
 *   close: () => Promise<void>,
 * }} Session
 */

/** @param {'web' | 'node'} runtime @param {Uint8Array} model @returns {Promise<Session>} */
export async function openSession(runtime, model) {
  const { Worker } = globalThis;
  const ort = runtime === 'web' ? await import('onnxruntime-web') : (await import('onnxruntime-node')).default;
  ort.env.logLevel = 'error';
  if (runtime === 'web') Object.assign(ort.env.wasm, { numThreads: 1, proxy: false });
  const options =
    runtime === 'web'
      ? { executionProviders: ['wasm'] }
      : { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' };
  const session = await ort.InferenceSession.create(model, options);
  if (!Worker) delete globalThis.Worker; // onnxruntime-web sets it to that of worker_threads, which is not the web's
  const runAll = async (/** @type {Record<string, Tensor>} */ inputs) => {
    const feeds = Object.entries(inputs).map(([name, { data, shape }]) => [
      name,
      new ort.Tensor('float32', data, shape),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    return session.outputNames.map((name) => results[name].data);
  };
  return {
    runAll,
    run: async (data, shape) => (await runAll({ x: { data, shape } }))[0],
    close: () => session.release(),
  };
}
