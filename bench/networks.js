// Whole networks: FPN of four levels at 800x1333 and UperNet at 512x512 (of ResNet-50, CARAFE everywhere) on wasm, beside ONNX Runtime
// on one thread with the quicker of CARAFE's two graphs (peers/carafe-onnx.js): milliseconds, ratios, and memory. Weights are random.
//   node bench/networks.js [--network fpn|upernet] [--size HEIGHTxWIDTH] [--rounds N] [--no-peers]
import { parseArgs } from 'node:util';
import { createNetwork } from 'carafe-web/networks';
import { values } from './data.js';
import { interleave, ratio, summary } from './measure.js';
import { conv, matmul, slice, smart } from './peers/carafe-onnx.js';
import { OnnxGraph } from './peers/onnx.js';

const RESNET = [256, 512, 1024, 2048];
const CARAFE = { scale: 2, kUp: 5, kEnc: 3 };
const { values: options } = parseArgs({
  options: {
    network: { type: 'string' },
    size: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'no-peers': { type: 'boolean', default: false },
  },
});

/** @typedef {{ data: Float32Array, shape: readonly number[] }} Tensor */

/** Weights by name, such that maps stay as large as they are. */
class Weights {
  /** @type {Record<string, Tensor>} */
  tensors = {};
  #seed = 1;

  conv(name, cOut, cIn, k) {
    const weights = this.#add(`${name}.weight`, [cOut, cIn, k, k], Math.sqrt(3 / (cIn * k * k)));
    return { weights, bias: this.#add(`${name}.bias`, [cOut], 0.1) };
  }

  carafe(name, c) {
    return {
      compress: this.conv(`${name}.channel_compressor`, 64, c, 1),
      encode: this.conv(`${name}.content_encoder`, 100, 64, 3),
    };
  }

  #add(name, shape, scale) {
    const data = values(
      shape.reduce((product, size) => product * size, 1),
      this.#seed++,
      scale,
    );
    return (this.tensors[name] = { data, shape });
  }

  file() {
    let end = 0;
    const header = Object.entries(this.tensors).map(([name, { data, shape }]) => [
      name,
      { dtype: 'F32', shape, data_offsets: [end, (end += data.byteLength)] },
    ]);
    const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
    const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(padded.length));
    const data = Object.values(this.tensors).map((t) =>
      Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength),
    );
    return Buffer.concat([length, padded, ...data]);
  }
}

/** @returns {[number, number][]} the sizes of the four maps of an image */
function pyramid(height, width) {
  return [4, 8, 16, 32].map((stride) => [Math.ceil(height / stride), Math.ceil(width / stride)]);
}

function fpn(height, width) {
  const c = 256;
  const weights = new Weights();
  const laterals = RESNET.map((cIn, i) => weights.conv(`lateral_convs.${i}.conv`, c, cIn, 1));
  const convs = RESNET.map((_, i) => weights.conv(`fpn_convs.${i}.conv`, c, c, 3));
  const carafes = RESNET.slice(1).map((_, i) => weights.carafe(`upsample_modules.${i}`, c));
  const sizes = pyramid(height, width);
  const graph = (carafe) => {
    const g = new OnnxGraph();
    /** @type {[string, number[]][]} */
    const outputs = [];
    let above;
    for (let i = 3; i >= 0; i--) {
      const [h, w] = sizes[i];
      let x = conv(g, g.input(`x${i}`, [1, RESNET[i], h, w]), laterals[i], 1);
      if (above) {
        const [hAbove, wAbove] = sizes[i + 1];
        const big = carafe(g, above, { ...CARAFE, c, h: hAbove, w: wAbove }, carafes[i]);
        x = g.node('Add', [x, slice(g, big, [2, 3], [0, 0], [h, w])]);
      }
      outputs.unshift([conv(g, x, convs[i], 3), [1, c, h, w]]);
      above = x;
    }
    return g.finish(...outputs);
  };
  return { name: 'fpn', file: weights.file(), sizes, graph, settings: {} };
}

function upernet(height, width) {
  const [c, classes] = [512, 150];
  const scales = [1, 2, 3, 6];
  const weights = new Weights();
  const pooled = scales.map((_, i) => weights.conv(`psp_modules.${i}.1.conv`, c, 2048, 1));
  const bottleneck = weights.conv('bottleneck.conv', c, 2048 + 4 * c, 3);
  const laterals = [0, 1, 2].map((i) => weights.conv(`lateral_convs.${i}.conv`, c, RESNET[i], 1));
  const convs = [0, 1, 2].map((i) => weights.conv(`fpn_convs.${i}.conv`, c, c, 3));
  const fusion = weights.conv('fpn_bottleneck.conv', c, 4 * c, 3);
  const classify = weights.conv('conv_seg', classes, c, 1);
  const places = { ppm: scales.map(() => c), fpn: [c, c, c], fuse: [3 * c, 2 * c, c] };
  const carafes = Object.fromEntries(
    Object.entries(places).map(([place, all]) => [
      place,
      all.map((channels, i) => weights.carafe(`${place}_upsample_modules.${i}`, channels)),
    ]),
  );
  const sizes = pyramid(height, width);
  const graph = (carafe) => {
    const g = new OnnxGraph();
    const relu = (x) => g.node('Relu', [x]);
    const inputs = sizes.map(([h, w], i) => g.input(`x${i}`, [1, RESNET[i], h, w]));
    const enlarge = (x, channels, [hLow, wLow], [h, w], parameters) =>
      slice(g, carafe(g, x, { ...CARAFE, c: channels, h: hLow, w: wLow }, parameters), [2, 3], [0, 0], [h, w]);
    const [h, w] = sizes[3];
    /** @type {[number, number]} */
    const half = [Math.ceil(h / 2), Math.ceil(w / 2)];
    const branches = scales.map((scale, i) => {
      const mean = pool(g, inputs[3], h, w, scale);
      const resized = g.node('Resize', [relu(conv(g, mean, pooled[i], 1)), '', '', g.ints(1, c, ...half)], {
        mode: 'linear',
        coordinate_transformation_mode: 'half_pixel',
      });
      return enlarge(resized, c, half, sizes[3], carafes.ppm[i]);
    });
    let above = relu(conv(g, g.node('Concat', [inputs[3], ...branches], { axis: 1 }), bottleneck, 3));
    const levels = [];
    levels[3] = above;
    for (let i = 2; i >= 0; i--) {
      const lateral = relu(conv(g, inputs[i], laterals[i], 1));
      above = g.node('Add', [lateral, enlarge(above, c, sizes[i + 1], sizes[i], carafes.fpn[i])]);
      levels[i] = relu(conv(g, above, convs[i], 3));
    }
    let fused = levels[3];
    for (let i = 2; i >= 0; i--) {
      const big = enlarge(fused, (3 - i) * c, sizes[i + 1], sizes[i], carafes.fuse[i]);
      fused = g.node('Concat', [levels[i], big], { axis: 1 });
    }
    const logits = conv(g, relu(conv(g, fused, fusion, 3)), classify, 1);
    return g.finish([logits, [1, classes, ...sizes[0]]]);
  };
  return { name: 'upernet', file: weights.file(), sizes, graph, settings: {} };
}

/** AdaptiveAvgPool2d as slices and means. */
function pool(g, x, h, w, scale) {
  const windows = (size) =>
    Array.from({ length: scale }, (_, i) => [Math.floor((i * size) / scale), Math.ceil(((i + 1) * size) / scale)]);
  const rows = windows(h).map(([top, bottom]) =>
    g.node(
      'Concat',
      windows(w).map(([left, right]) =>
        g.node('ReduceMean', [slice(g, x, [2, 3], [top, left], [bottom, right])], { axes: [2, 3], keepdims: 1 }),
      ),
      { axis: 3 },
    ),
  );
  return g.node('Concat', rows, { axis: 2 });
}

const NETWORKS = { fpn: { build: fpn, size: '800x1333' }, upernet: { build: upernet, size: '512x512' } };

for (const [name, { build, size }] of Object.entries(NETWORKS)) {
  if (options.network && options.network !== name) continue;
  const [height, width] = (options.size ?? size).split('x').map(Number);
  const { file, sizes, graph, settings } = build(height, width);
  const inputs = sizes.map(([h, w], i) => ({
    data: values(RESNET[i] * h * w, 90 + i, 1),
    shape: [1, RESNET[i], h, w],
  }));
  const net = await createNetwork(/** @type {'fpn'} */ (name), file, {
    ...settings,
    backend: 'wasm',
    thread: 'inline',
  });
  const want = await net.run(inputs);
  console.log(
    `${name} ${height}x${width}: ${net.info.details}, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
  );
  /** @type {import('./measure.js').Contender[]} */
  const contenders = [{ name: 'carafe-web', run: () => net.run(inputs) }];
  const feeds = Object.fromEntries(inputs.map((x, i) => [`x${i}`, x]));
  const sessions = [];
  if (!options['no-peers']) {
    const { ensurePeers } = await import('./peers/ensure.js');
    ensurePeers();
    const { openSession } = await import('./peers/onnxruntime.js');
    for (const runtime of /** @type {const} */ (['web', 'node'])) {
      /** @type {{ session: import('./peers/onnxruntime.js').Session, variant: string, ms: number } | undefined} */
      let best;
      for (const [variant, carafe] of Object.entries({ smart, matmul })) {
        let session;
        try {
          session = await openSession(runtime, graph(carafe));
          const start = performance.now();
          const got = await session.runAll(feeds);
          const ms = performance.now() - start;
          got.forEach((data, i) => check(`${runtime} ${variant}`, data, want[i].data));
          if (!best || ms < best.ms) [session, best] = [best?.session, { session, variant, ms }];
        } catch (error) {
          console.log(
            `${name}: onnxruntime-${runtime} with graph "${variant}": ${/** @type {Error} */ (error).message}`,
          );
        }
        await session?.close();
      }
      if (!best) continue;
      sessions.push(best.session);
      const { session, variant } = best;
      contenders.push({ name: `onnxruntime-${runtime}, ${variant}`, run: () => session.runAll(feeds) });
    }
  }
  const timing = { rounds: Number(options.rounds), minRounds: 1, warmupMs: 0, budgetMs: 60_000 };
  const samples = await interleave(contenders, timing);
  for (const { name: contender } of contenders) {
    const { wallMs, cpuMs } = summary(samples[contender]);
    const { wall, cpu } = ratio(samples['carafe-web'], samples[contender]);
    const times = contender === 'carafe-web' ? '' : `, ${cpu?.toFixed(2)} times ours (wall ${wall?.toFixed(2)})`;
    console.log(
      `${name} ${height}x${width}: ${contender} ${cpuMs?.toFixed(0)} ms of CPU, ${wallMs.toFixed(0)} ms${times}`,
    );
  }
  net.dispose();
  for (const session of sessions) await session.close();
}

/** @throws {Error} if a peer computes something else */
function check(name, got, want) {
  let [most, largest] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    most = Math.max(most, Math.abs(got[i] - want[i]));
    largest = Math.max(largest, Math.abs(want[i]));
  }
  if (!(most < 1e-3 * largest)) throw new Error(`Expected ${name} within ${1e-3 * largest} of ours, got ${most}`);
}
