// The operator: NCHW in and out through the public API, each result checked against the reference backend or refused.
import { createCarafe } from 'carafe-web';
import { largestDifference, operatorData, operatorTolerance } from './data.js';
import { interleave, ratio, summary } from './measure.js';
import { createProbe } from './probe.js';
import { operatorFlops } from './shapes.js';

/** @type {Record<string, import('carafe-web').CarafeModuleOptions & { into?: boolean, shared?: boolean }>} */
const OURS = {
  // how the package is run; `into`: results go into memory that is there already; `shared`: so do they and x, on SharedArrayBuffers
  worker: { backend: 'wasm', thread: 'worker' },
  'worker, into': { backend: 'wasm', thread: 'worker', into: true },
  'worker, shared': { backend: 'wasm', thread: 'worker', into: true, shared: true },
  inline: { backend: 'wasm', thread: 'inline' },
  'inline, into': { backend: 'wasm', thread: 'inline', into: true },
  'inline, plain SIMD': {
    backend: 'wasm',
    thread: 'inline',
    into: true,
    wasm: new URL('../dist/carafe-simd.wasm', import.meta.url),
  },
};

/**
 * @param {import('./shapes.js').OperatorShape[]} shapes
 * @param {{ peers: boolean, timing: Parameters<typeof interleave>[1], log: (line: string) => void }} options
 */
export async function benchOperators(shapes, { peers, timing, log }) {
  const results = [];
  for (const shape of shapes) {
    results.push(await benchShape(shape, peers && Boolean(shape.peers), timing));
    const { name, ours, largestError } = results.at(-1);
    log(
      `${name}: ${ours.worker.cpuMs.toFixed(2)} ms of CPU in a worker, ${ours.inline.gfs.toFixed(1)} GF/s inline; matches within ${largestError.toExponential(1)}`,
    );
  }
  return results;
}

async function benchShape(shape, withPeers, timing) {
  const { scale, kUp, groups } = shape;
  const { x, weights } = operatorData(shape);
  const flops = operatorFlops(shape);
  const window = { scale, kUp, groups };
  const reference = await createCarafe(weights, { ...window, backend: 'reference', thread: 'inline' });
  const { data: want } = await reference.upsample(x);
  reference.dispose();
  const tolerance = operatorTolerance(shape, { x, weights });
  let largestError = 0;
  const check = (name, data) => {
    const error = largestDifference(data, want);
    if (!(error <= tolerance))
      throw new Error(`Expected ${name} on ${shape.name} within ${tolerance} of the reference, got ${error}`);
    return error;
  };

  const contenders = [];
  const close = [];
  let build;
  for (const [name, { into, shared, ...options }] of Object.entries(OURS)) {
    const module = await createCarafe(weights, { ...window, ...options });
    close.push(() => module.dispose());
    build ??= module.info.details;
    const input = shared ? { ...x, data: onSharedMemory(x.data) } : x;
    const first = await module.upsample(input);
    largestError = Math.max(largestError, check(`carafe-web (${name})`, first.data));
    let data = shared ? onSharedMemory(first.data) : first.data;
    contenders.push({
      name,
      run: into
        ? async () => {
            ({ data } = await module.upsample(input, { into: data }));
          }
        : () => module.upsample(input),
    });
  }
  const probes = { relaxed: await createProbe(true), plain: await createProbe(false) };
  for (const [name, probe] of Object.entries(probes))
    if (probe) contenders.push({ name: `probe ${name}`, run: probe.run });
  const best = withPeers ? await openPeers(shape, weights, x, check) : [];
  for (const peer of best) contenders.push({ name: peer.runtime, run: peer.run });

  const samples = await interleave(contenders, timing);
  for (const dispose of [...close, ...best.map((peer) => peer.close)]) await dispose();
  const probeOf = (name) => {
    const key = name.includes('plain') || build !== 'relaxed-simd' ? 'plain' : 'relaxed';
    return { flops: probes[key].flops, samples: samples[`probe ${key}`] };
  };
  return {
    ...shape,
    gflop: flops / 1e9,
    build,
    largestError,
    tolerance,
    ours: Object.fromEntries(Object.keys(OURS).map((name) => [name, summary(samples[name], flops, probeOf(name))])),
    peaks: Object.fromEntries(
      Object.entries(probes)
        .filter(([, probe]) => probe)
        .map(([name, probe]) => [name, summary(samples[`probe ${name}`], probe.flops).gfs]),
    ),
    peers: best.map(({ runtime, graph, others }) => ({
      runtime,
      graph,
      others,
      ...summary(samples[runtime], flops),
      ratios: Object.fromEntries(Object.keys(OURS).map((name) => [name, ratio(samples[name], samples[runtime])])),
    })),
  };
}

function onSharedMemory(values) {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

/** For each runtime the graph it is fastest on. */
async function openPeers(shape, weights, x, check) {
  const { operatorGraphs } = await import('./peers/carafe-onnx.js');
  const { openSession } = await import('./peers/onnxruntime.js');
  const graphs = operatorGraphs(shape, weights);
  const best = [];
  for (const runtime of /** @type {const} */ (['web', 'node'])) {
    const sessions = await Promise.all(
      Object.entries(graphs).map(async ([graph, model]) => ({ graph, session: await openSession(runtime, model) })),
    );
    for (const { graph, session } of sessions)
      check(`onnxruntime-${runtime} (${graph})`, await session.run(x.data, x.shape));
    const trial = await interleave(
      sessions.map(({ graph, session }) => ({ name: graph, run: () => session.run(x.data, x.shape) })),
      { rounds: 5, sampleMs: 0, warmupMs: 0 },
    );
    const ranked = sessions
      .map(({ graph, session }) => ({ graph, session, cpuMs: summary(trial[graph]).cpuMs }))
      .sort((a, b) => a.cpuMs - b.cpuMs);
    for (const { session } of ranked.slice(1)) await session.close();
    const [{ graph, session }, ...others] = ranked;
    best.push({
      runtime: `onnxruntime-${runtime}`,
      graph,
      others: others.map((other) => ({ graph: other.graph, cpuMs: other.cpuMs })),
      run: () => session.run(x.data, x.shape),
      close: () => session.close(),
    });
  }
  return best;
}
