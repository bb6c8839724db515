// UpscalerJS's smallest model on tfjs-wasm, one thread. The model alone is timed: no tiles, no pixels in or out.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);
const folder = (name) => join(import.meta.dirname, 'node_modules', name);

export async function openEsrganSlim(scale = 2) {
  const tf = load('@tensorflow/tfjs');
  const wasm = load('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${folder('@tensorflow/tfjs-backend-wasm/dist')}/`);
  wasm.setThreadsCount(1);
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (!(await tf.setBackend('wasm'))) throw new Error('Expected tfjs to have its wasm backend, got a refusal');
  const path = folder(`@upscalerjs/esrgan-slim/models/x${scale}/model.json`);
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(path, 'utf8'));
  const weightData = new Uint8Array(
    Buffer.concat(
      weightsManifest.flatMap((group) => group.paths).map((name) => readFileSync(join(dirname(path), name))),
    ),
  ).buffer;
  const model = await tf.loadLayersModel({
    load: async () => ({ modelTopology, weightSpecs: weightsManifest.flatMap((group) => group.weights), weightData }),
  });
  return {
    /** RGB in 0..255, [1, height, width, 3] -> `scale` times the size. */
    async run(rgb, width, height) {
      const y = tf.tidy(() => model.predict(tf.tensor4d(rgb, [1, height, width, 3])));
      const { shape } = y;
      const data = await y.data();
      y.dispose();
      return { data, shape };
    },
  };
}
