// Images through the public API, RGBA in and out, alone and beside what else enlarges images. The peers get it easier: the networks
// only run their network, on planes that are already floats, with neither halo nor colour conversion.
import { readFileSync } from 'node:fs';
import { createUpscaler } from 'carafe-web';
import { root } from '../scripts/ensure.js';
import { greyImage, largestDifference } from './data.js';
import { interleave, ratio, summary } from './measure.js';
import { createProbe } from './probe.js';
import { lumaFlops } from './shapes.js';

/** @typedef {import('carafe-web').UpscalerOptions & { model?: string }} Options a built-in model */

/** @type {Record<string, Options>} */
const OURS = {
  worker: { backend: 'wasm', thread: 'worker', workers: 1 },
  inline: { backend: 'wasm', thread: 'inline' },
  'inline, plain SIMD': {
    backend: 'wasm',
    thread: 'inline',
    wasm: new URL('../dist/carafe-simd.wasm', import.meta.url),
  },
};
/** @type {Record<string, Options>} */
const TWO_WORKERS = { '2 workers': { backend: 'wasm', thread: 'worker', workers: 2 } };
/** @type {Record<string, Options>} */
const OTHER_MODELS = {
  'worker, small': { ...OURS.worker, model: 'small' },
  'worker, large': { ...OURS.worker, model: 'large' },
};
const CORNER = 96; // side of what is checked against the reference in a larger image

/**
 * @param {(import('./shapes.js').ImageSize)[]} images
 * @param {{ peers: boolean, timing: Parameters<typeof interleave>[1], log: (line: string) => void }} options
 */
export async function benchUpscale(images, { peers, timing, log }) {
  const results = [];
  for (const image of images) {
    results.push(await benchImage(image, peers, timing));
    log(`${image.name}: ${results.at(-1).ours.worker.cpuMs.toFixed(1)} ms of CPU in a worker`);
  }
  return results;
}

/** @param {import('./shapes.js').ImageSize} image */
async function benchImage({ name, width, height, pool, tile, slow }, withPeers, timing) {
  const image = greyImage(width, height);
  /** @param {Options} options */
  const flops = ({ model = 'base' }) => lumaFlops(networkOf(model), width * height);
  const own = { ...OURS, ...(pool && TWO_WORKERS), ...OTHER_MODELS };
  const contenders = [];
  const close = [];
  let result;
  let build;
  for (const [how, options] of Object.entries(own)) {
    const upscaler = await createUpscaler(options);
    close.push(() => upscaler.dispose());
    build ??= upscaler.info.details;
    const enlarged = await upscaler.upscale(image);
    if (how in OURS) result = enlarged;
    await checkCorners(`carafe-web (${how})`, image, enlarged, options.model);
    contenders.push({ name: how, run: () => upscaler.upscale(image) });
  }
  const probes = { relaxed: await createProbe(true), plain: await createProbe(false) };
  for (const [key, probe] of Object.entries(probes))
    if (probe) contenders.push({ name: `probe ${key}`, run: probe.run });
  const others = withPeers
    ? await (await import('./peers/images.js')).openImagePeers({
        image,
        result,
        model: modelFile('base'),
        radius: radiusOf('base'),
        tile,
        slow,
      })
    : [];
  contenders.push(...others);

  const samples = await interleave(contenders, { ...timing, budgetMs: 90_000 });
  for (const dispose of [...close, ...others.map((peer) => peer.close)]) await dispose();
  const probeOf = (how) => {
    const key = how.includes('plain') || build !== 'relaxed-simd' ? 'plain' : 'relaxed';
    return { flops: probes[key].flops, samples: samples[`probe ${key}`] };
  };
  const entry = ([how, options]) => [how, summary(samples[how], flops(options), probeOf(how))];
  return {
    name,
    width,
    height,
    build,
    megapixels: (width * height) / 1e6,
    gflop: flops(OURS.worker) / 1e9,
    ours: Object.fromEntries(Object.entries(own).map(entry)),
    peers: others.map((peer) => ({
      name: peer.name,
      ...summary(samples[peer.name]),
      ratios: Object.fromEntries(Object.keys(OURS).map((how) => [how, ratio(samples[how], samples[peer.name])])),
    })),
  };
}

/** The first and the last corner of the result against the reference backend's, within 1 of 255. @param {Options['model']} model */
async function checkCorners(what, image, result, model = 'base') {
  const reference = await createUpscaler({ backend: 'reference', thread: 'inline', model });
  const radius = radiusOf(model);
  for (const last of [false, true]) {
    const [w, h] = [Math.min(CORNER, image.width), Math.min(CORNER, image.height)];
    const [x, y] = last ? [image.width - w, image.height - h] : [0, 0];
    const want = await reference.upscale(crop(image, x, y, w, h));
    const margin = (side, whole) => (side < whole ? radius : 0); // where the corner ends, it does not see what the image sees
    const [mx, my] = [2 * margin(w, image.width), 2 * margin(h, image.height)];
    const [cx, cy, cw, ch] = [last ? mx : 0, last ? my : 0, 2 * w - mx, 2 * h - my];
    const difference = largestDifference(
      crop(result, 2 * x + cx, 2 * y + cy, cw, ch).data,
      crop(want, cx, cy, cw, ch).data,
    );
    if (!(difference <= 1))
      throw new Error(
        `Expected ${what} on ${image.width}x${image.height} within 1 of the reference, got ${difference}`,
      );
  }
  reference.dispose();
}

const modelFile = (name) => `${root}models/${name}-x2.safetensors`;

/** The numbers in the header of a .safetensors file. @returns {any} */
function networkOf(name) {
  const bytes = readFileSync(modelFile(name));
  const { __metadata__: metadata } = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())));
  return Object.fromEntries(
    ['scale', 'channels', 'body', 'kUp', 'groups', 'cMid'].map((key) => [key, Number(metadata[key] ?? 0)]),
  );
}

/** What an output pixel sees, in input pixels: head, body, maps, reassembly. */
function radiusOf(name) {
  const { body, kUp } = networkOf(name);
  return 1 + body + 1 + (kUp - 1) / 2;
}

function crop({ data, width }, x, y, w, h) {
  const out = new Uint8ClampedArray(w * h * 4);
  for (let row = 0; row < h; row++)
    out.set(data.subarray(((y + row) * width + x) * 4, ((y + row) * width + x + w) * 4), row * w * 4);
  return { data: out, width: w, height: h };
}
