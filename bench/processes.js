// What only a process of its own shows: time from nothing to the first result, and peak memory; of three processes the one of middle memory. Run as a program
// (node bench/processes.js WHAT WIDTH HEIGHT) it is that process.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { root } from '../scripts/ensure.js';
import { greyImage } from './data.js';
import { interleave, summary } from './measure.js';

const OURS = ['carafe-web, worker', 'carafe-web, inline'];
const PEERS = ['onnxruntime-web', 'onnxruntime-node', 'pica'];

export async function benchProcesses(images, { peers, log }) {
  const rows = [];
  for (const what of ['node alone', ...OURS, ...(peers ? PEERS : [])]) {
    for (const { name, width, height } of what === 'node alone' ? images.slice(0, 1) : images) {
      const runs = Array.from({ length: 3 }, () => start(what, width, height)).sort(
        (a, b) => (a.first ?? a).rssMb - (b.first ?? b).rssMb,
      );
      rows.push({ what, image: what === 'node alone' ? '' : name, ...runs[1] });
      log(`${what} ${name}: ${rows.at(-1).rssMb.toFixed(0)} MB`);
    }
  }
  return rows;
}

function start(what, width, height) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [import.meta.filename, what, String(width), String(height)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`Expected a result of ${what}, got\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** From before the import to the first result, and then again. */
async function measure(what, width, height) {
  const image = greyImage(width, height);
  const cpu = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1000;
  const [wallStart, cpuStart] = [performance.now(), cpu()];
  const { run, close } = await open(what, image);
  if (run) await run();
  const first = run && { wallMs: performance.now() - wallStart, cpuMs: cpu() - cpuStart, rssMb: peakRss() };
  const steady =
    run && summary((await interleave([{ name: what, run }], { rounds: 5, sampleMs: 0, warmupMs: 300 }))[what]);
  await close?.();
  return { first, steady, rssMb: peakRss() };
}

/** So far, in megabytes. Linux counts a parent's memory into ru_maxrss of what it starts, so the kernel's own mark is read where it is. */
function peakRss() {
  const mark = existsSync('/proc/self/status') && /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(mark ? mark[1] : process.resourceUsage().maxRSS) / 1024;
}

async function open(what, image) {
  const { width, height } = image;
  if (what === 'node alone') return {};
  if (what === 'pica') {
    const pica = (await import('./peers/pica.js')).openPica();
    return { run: () => pica.run(image) };
  }
  if (OURS.includes(what)) {
    const { createUpscaler } = await import('carafe-web');
    const upscaler = await createUpscaler({ backend: 'wasm', thread: what.split(', ')[1], workers: 1 });
    return { run: () => upscaler.upscale(image), close: () => upscaler.dispose() };
  }
  const { lumaGraphs } = await import('./peers/carafe-onnx.js');
  const { openSession } = await import('./peers/onnxruntime.js');
  const luma = Float32Array.from({ length: width * height }, (_, i) => image.data[4 * i] / 255);
  const session = await openSession(
    what.split('-')[1],
    lumaGraphs(`${root}models/base-x2.safetensors`, height, width).exp,
  );
  return { run: () => session.run(luma, [1, 1, height, width]), close: () => session.close() };
}

if (process.argv[1] === import.meta.filename) {
  if (Number(process.versions.node.split('.')[0]) < 22) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const [what, width, height] = process.argv.slice(2);
  console.log(JSON.stringify(await measure(what, Number(width), Number(height)))); // and no process.exit(): Node 24 may wait in it for ever for a background compilation
}
