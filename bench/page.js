// The bench's part in a browser: opens contenders, checks and times them. Loaded by bench/browser.js.
import { greyImage, largestDifference, operatorData, operatorTolerance, testImage } from './data.js';
import { interleave, ratio, summary } from './measure.js';
import { network, openTfjs, operator } from './peers/tfjs.js';

const PACKAGE = '/dist/index.js';
const ORT = '/bench/peers/node_modules/onnxruntime-web/dist/';

/**
 * @typedef {{ name: string, runtime: 'carafe-web' | 'onnxruntime-web' | 'tfjs', backend: 'reference' | 'wasm' | 'webgpu', thread?: 'worker' | 'inline', into?: boolean, model?: string,
 *   graph?: 'smart' | 'matmul', network?: { metadata: Record<string, string>, tensors: Record<string, any> } }} Contender
 *   into: results go into memory that is there already; model: a base64 .onnx; graph, network: tfjs's
 * @typedef {{ shape?: import('./shapes.js').OperatorShape, image?: import('./shapes.js').ImageSize }} Job
 */

/** firstMs: from before anything is imported to the first result; stallMs: how much longer the first call took than the second. @param {Contender} contender @param {Job} job */
export async function first(contender, job) {
  const input = prepare(job);
  const start = performance.now();
  const opened = await open(contender, job, input);
  const created = performance.now();
  await opened.run();
  const done = performance.now();
  await opened.run();
  const stallMs = done - created - (performance.now() - done);
  await opened.close();
  return { firstMs: done - start, stallMs };
}

/** All in turns; ratios of peers over ours on the same backend in a worker, of ours over the first. @param {Contender[]} contenders @param {Job} job */
export async function steady(contenders, job, timing) {
  const input = prepare(job);
  const reference = await open(
    { name: 'reference', runtime: 'carafe-web', backend: 'reference', thread: 'inline' },
    job,
    input,
  );
  const want = await reference.run();
  reference.close();
  const tolerance = job.shape ? operatorTolerance(job.shape, input) : 1;
  const opened = [];
  const wrong = {};
  for (const contender of contenders) {
    const one = await open(contender, job, input);
    const error = (job.shape || contender.runtime === 'carafe-web' ? largestDifference : lumaDifference)(
      await one.run(),
      want,
      job.image,
    );
    if (error <= tolerance) opened.push({ ...one, name: contender.name });
    else if (contender.runtime === 'carafe-web')
      throw new Error(`Expected ${contender.name} within ${tolerance} of the reference, got ${error}`);
    else wrong[contender.name] = error;
  }
  const samples = await interleave(opened, timing);
  for (const { close } of opened) await close();
  const over = (name) => {
    const { runtime, backend } = contenders.find((contender) => contender.name === name);
    return runtime === 'carafe-web'
      ? contenders[0].name
      : contenders.find((contender) => contender.backend === backend && contender.thread === 'worker').name;
  };
  return {
    wrong,
    contenders: Object.fromEntries(
      opened.map(({ name, details }) => [
        name,
        {
          details,
          wallMs: summary(samples[name]).wallMs,
          over: over(name),
          ratio: ratio(samples[over(name)], samples[name]).wall,
        },
      ]),
    ),
  };
}

/** @param {Job} job @returns {any} what operatorData gives, or an image */
function prepare({ shape, image }) {
  return shape ? operatorData(shape) : (image.peers ? greyImage : testImage)(image.width, image.height);
}

/** How far luma in 0..1 is from the RGBA of a grey image in steps of a byte, off the border, where the networks alone see zeros. */
function lumaDifference(luma, rgba, { width, height }) {
  const margin = 24;
  const inside = (i, size) => i >= margin && i < 2 * size - margin;
  return luma.reduce((max, v, i) => {
    if (!inside(i % (2 * width), width) || !inside(Math.floor(i / (2 * width)), height)) return max;
    const apart = Math.abs(255 * Math.min(1, Math.max(0, v)) - rgba[4 * i]) - 0.5; // the byte is rounded
    return !(apart <= max) ? apart : max; // NaN too
  }, 0);
}

/** @param {Contender} contender @param {Job} job */
async function open({ runtime, backend, thread, into, model, graph, network: net }, { shape, image }, input) {
  if (runtime !== 'carafe-web') {
    const { data, shape: dims } = shape
      ? input.x
      : {
          data: Float32Array.from({ length: image.width * image.height }, (_, i) => input.data[4 * i] / 255),
          shape: [1, 1, image.height, image.width],
        };
    if (runtime === 'onnxruntime-web') return openOnnxruntime(backend, model, { data, shape: dims });
    const tf = await openTfjs();
    const tensor = (name) => net.tensors[name];
    const run = shape
      ? operator(tf, shape, input.weights, graph)
      : network(tf, { metadata: net.metadata, tensor }, image.height, image.width);
    return { run: () => run(data), close: () => {}, details: `tfjs ${tf.version_core ?? tf.version['tfjs-core']}` };
  }
  const { createCarafe, createUpscaler } = /** @type {typeof import('carafe-web')} */ (await import(PACKAGE));
  if (shape) {
    const { scale, kUp, groups } = shape;
    const module = await createCarafe(input.weights, { scale, kUp, groups, backend, thread });
    let data;
    return {
      run: async () => ({ data } = await module.upsample(input.x, into && data ? { into: data } : {})).data,
      close: () => module.dispose(),
      details: module.info.details,
    };
  }
  const upscaler = await createUpscaler({ backend, thread, workers: 1 });
  return {
    run: async () => (await upscaler.upscale(input)).data,
    close: () => upscaler.dispose(),
    details: upscaler.info.details,
  };
}

async function openOnnxruntime(provider, model, x) {
  const ort = await import(`${ORT}${provider === 'webgpu' ? 'ort.webgpu.bundle.min.mjs' : 'ort.wasm.bundle.min.mjs'}`);
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmPaths: ORT });
  ort.env.logLevel = 'fatal';
  const bytes = Uint8Array.from(atob(model), (character) => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
  return {
    run: async () =>
      (await session.run({ x: new ort.Tensor('float32', x.data, x.shape) }))[session.outputNames[0]].data,
    close: () => session.release(),
    details: `onnxruntime-web ${ort.env.versions.web}`,
  };
}
