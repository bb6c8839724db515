// What else enlarges an image by two, each ready to run and checked: the same network in ONNX Runtime (web and native, the faster of
// its graphs), a plain network of ECBSR-M4C16's shape, UpscalerJS esrgan-slim, pica.
import { interleave, summary } from '../measure.js';
import { lumaGraphs, plainGraph } from './carafe-onnx.js';
import { openEsrganSlim } from './esrgan.js';
import { openSession } from './onnxruntime.js';
import { openPica } from './pica.js';

/**
 * @param {{ image: ReturnType<typeof import('../data.js').testImage>, result: object, model: string, radius: number,
 *   tile?: { width: number, height: number }, slow?: boolean }} what a grey image; our result; tile: the networks run pieces of this
 *   size, without halo, for images whose whole would not fit their memory; slow: leaves out what takes seconds a call
 */
export async function openImagePeers({ image, result, model, radius, tile, slow }) {
  const { width, height } = image;
  const [w, h] = tile ? [tile.width, tile.height] : [width, height];
  const pieces = (width / w) * (height / h);
  if (!Number.isInteger(width / w) || !Number.isInteger(height / h))
    throw new Error(`Expected tiles that divide ${width}x${height}, got ${w}x${h}`);
  const luma = Float32Array.from(
    { length: w * h },
    (_, i) => image.data[4 * (Math.floor(i / w) * width + (i % w))] / 255,
  );
  const planes = Float32Array.from({ length: 3 * w * h }, (_, i) => luma[i % (w * h)]);
  const peers = [];

  for (const runtime of /** @type {const} */ (['web', 'node'])) {
    const sessions = await Promise.all(
      Object.entries(lumaGraphs(model, h, w)).map(async ([graph, bytes]) => ({
        name: graph,
        session: await openSession(runtime, bytes),
      })),
    );
    for (const { name, session } of sessions)
      checkLuma(`onnxruntime-${runtime} (${name})`, await session.run(luma, [1, 1, h, w]), result, w, h, radius);
    const trial = await interleave(
      sessions.map(({ name, session }) => ({ name, run: () => session.run(luma, [1, 1, h, w]) })),
      { rounds: 3, sampleMs: 0, warmupMs: 0 },
    );
    sessions.sort((a, b) => summary(trial[a.name]).cpuMs - summary(trial[b.name]).cpuMs);
    for (const { session } of sessions.slice(1)) await session.close();
    const [{ name, session }] = sessions;
    peers.push({
      name: `onnxruntime-${runtime}, the same network (${name})`,
      run: () => repeat(pieces, () => session.run(luma, [1, 1, h, w])),
      close: () => session.close(),
    });
  }

  const plain = plainGraph(h, w);
  const outputs = [];
  for (const runtime of /** @type {const} */ (['web', 'node'])) {
    const session = await openSession(runtime, plain);
    outputs.push(await session.run(planes, [1, 3, h, w]));
    peers.push({
      name: `onnxruntime-${runtime}, ECBSR-M4C16's shape`,
      run: () => repeat(pieces, () => session.run(planes, [1, 3, h, w])),
      close: () => session.close(),
    });
  }
  const apart = outputs[0].reduce((max, v, i) => Math.max(max, Math.abs(v - outputs[1][i])), 0);
  if (!(apart < 1e-3))
    throw new Error(`Expected onnxruntime-web and -node to agree on the plain network, got ${apart} between them`);

  if (!slow) {
    const esrgan = await openEsrganSlim();
    const rgb = Float32Array.from({ length: 3 * w * h }, (_, i) => 255 * luma[Math.floor(i / 3)]);
    const { data, shape } = await esrgan.run(rgb, w, h);
    checkAlike('esrgan-slim', (x, y) => data[3 * (y * shape[2] + x)], shape[2], shape[1], result, w, h);
    peers.push({
      name: 'UpscalerJS esrgan-slim, tfjs-wasm',
      run: () => repeat(pieces, () => esrgan.run(rgb, w, h)),
      close: () => {},
    });
  }

  const pica = openPica();
  const big = await pica.run(image);
  checkAlike(
    'pica',
    (x, y) => big[4 * (y * 2 * width + x)],
    2 * width,
    big.length / (8 * width),
    result,
    width,
    height,
  );
  peers.push({ name: 'pica, lanczos3', run: () => pica.run(image), close: () => {} });
  return peers;
}

async function repeat(count, body) {
  for (let i = 0; i < count; i++) await body();
}

/** The same network: within 1 of our bytes, from the network's radius off the borders on (there it sees zeros, we the edge). */
function checkLuma(what, y, result, w, h, radius) {
  const margin = 2 * radius;
  for (let row = margin; row < 2 * h - margin; row++) {
    for (let column = margin; column < 2 * w - margin; column++) {
      const got = 255 * Math.min(1, Math.max(0, y[row * 2 * w + column]));
      const want = result.data[4 * (row * result.width + column)];
      if (!(Math.abs(got - want) <= 1.5))
        throw new Error(`Expected ${what} within 1 of carafe-web at (${column}, ${row}), got ${got} and ${want}`);
    }
  }
}

/** Another method on the same image: the right size, and nearer to our result than a blank image is. */
function checkAlike(what, value, width, height, result, w, h) {
  if (width !== 2 * w || height !== 2 * h)
    throw new Error(`Expected ${what} to give ${2 * w}x${2 * h}, got ${width}x${height}`);
  let [apart, blank] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const want = result.data[4 * (y * result.width + x)];
      apart += (value(x, y) - want) ** 2;
      blank += (128 - want) ** 2;
    }
  }
  if (!(apart < blank / 10)) throw new Error(`Expected ${what} to give the image enlarged, got something else`);
}
