// Images through the public API, RGBA in and out, alone and beside what else enlarges images. The peers get it easier: the networks
// only run their network, on planes that are already floats, with neither halo nor colour conversion.
import { createUpscaler } from 'carafe-web';
import { root } from '../scripts/ensure.js';
import { largestDifference, testImage } from './data.js';
import { interleave, ratio, summary } from './measure.js';
import { createProbe } from './probe.js';
import { lumaFlops } from './shapes.js';

const OURS = {
  worker: { backend: 'wasm', thread: 'worker', workers: 1 },
  inline: { backend: 'wasm', thread: 'inline' },
  'inline, plain SIMD': { backend: 'wasm', thread: 'inline', wasm: new URL('../dist/carafe-simd.wasm', import.meta.url) },
};
const TWO_WORKERS = { backend: 'wasm', thread: 'worker', workers: 2 };
const MODEL = `${root}models/base-x2.safetensors`;
const NETWORK = { scale: 2, channels: 16, body: 5, kUp: 3, groups: 4 }; // base-x2
const RADIUS = 8; // what an output pixel sees, in input pixels: head, body, maps, reassembly
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

async function benchImage({ name, width, height, pool, tile, slow }, withPeers, timing) {
  const image = testImage(width, height, true); // grey, so that luma alone can be compared
  const flops = lumaFlops(NETWORK, width * height);
  const contenders = [];
  const close = [];
  let result;
  let build;
  for (const [how, options] of Object.entries({ ...OURS, ...(pool && { '2 workers': TWO_WORKERS }) })) {
    const upscaler = await createUpscaler(options);
    close.push(() => upscaler.dispose());
    build ??= upscaler.info.details;
    result = await upscaler.upscale(image);
    await checkCorners(`carafe-web (${how})`, image, result);
    contenders.push({ name: how, run: () => upscaler.upscale(image) });
  }
  const probes = { relaxed: await createProbe(true), plain: await createProbe(false) };
  for (const [key, probe] of Object.entries(probes)) if (probe) contenders.push({ name: `probe ${key}`, run: probe.run });
  const others = withPeers ? await (await import('./peers/images.js')).openImagePeers({ image, result, model: MODEL, radius: RADIUS, tile, slow }) : [];
  contenders.push(...others);

  const samples = await interleave(contenders, { ...timing, budgetMs: 90_000 });
  for (const dispose of [...close, ...others.map((peer) => peer.close)]) await dispose();
  const probeOf = (how) => {
    const key = how.includes('plain') || build !== 'relaxed-simd' ? 'plain' : 'relaxed';
    return { flops: probes[key].flops, samples: samples[`probe ${key}`] };
  };
  return {
    name, width, height, build, megapixels: width * height / 1e6, gflop: flops / 1e9,
    ours: Object.fromEntries(contenders.filter(({ name: how }) => how in OURS || how === '2 workers').map(({ name: how }) => [how, summary(samples[how], flops, probeOf(how))])),
    peers: others.map((peer) => ({
      name: peer.name, ...summary(samples[peer.name]),
      ratios: Object.fromEntries(Object.keys(OURS).map((how) => [how, ratio(samples[how], samples[peer.name])])),
    })),
  };
}

/** The first and the last corner of the result against the reference backend's, within 1 of 255. */
async function checkCorners(what, image, result) {
  const reference = await createUpscaler({ backend: 'reference', thread: 'inline' });
  for (const last of [false, true]) {
    const [w, h] = [Math.min(CORNER, image.width), Math.min(CORNER, image.height)];
    const [x, y] = last ? [image.width - w, image.height - h] : [0, 0];
    const want = await reference.upscale(crop(image, x, y, w, h));
    const margin = (side, whole) => side < whole ? RADIUS : 0; // where the corner ends, it does not see what the image sees
    const [mx, my] = [2 * margin(w, image.width), 2 * margin(h, image.height)];
    const [cx, cy, cw, ch] = [last ? mx : 0, last ? my : 0, 2 * w - mx, 2 * h - my];
    const difference = largestDifference(crop(result, 2 * x + cx, 2 * y + cy, cw, ch).data, crop(want, cx, cy, cw, ch).data);
    if (!(difference <= 1)) throw new Error(`Expected ${what} on ${image.width}x${image.height} within 1 of the reference, got ${difference}`);
  }
  reference.dispose();
}

function crop({ data, width }, x, y, w, h) {
  const out = new Uint8ClampedArray(w * h * 4);
  for (let row = 0; row < h; row++) out.set(data.subarray(((y + row) * width + x) * 4, ((y + row) * width + x + w) * 4), row * w * 4);
  return { data: out, width: w, height: h };
}
