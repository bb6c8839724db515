// npm run bench [-- --quick] [--only ops,upscale,peers] [--json FILE] [--write] [--node24]
//   everything is checked first (against the reference backend; peers against it or against each other), then timed, on one thread
//   --quick    tiny shapes and few rounds, no peers: shows that the bench works, the numbers mean nothing
//   --only     ops: the operator and its kernels; upscale: images; with peers in the list beside other runtimes too; peers alone: only what has peers
//   --json     the numbers
//   --write    the tables in BENCHMARKS.md, bench/results/ and bench/plots/
//   --node24   on the Node 24 that comes with the peers, instead of the one that runs this
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { ensureBuild, ensurePackages, root } from '../scripts/ensure.js';
import { ensurePeers, node24 } from './peers/ensure.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    node24: { type: 'boolean', default: false },
  },
});
const { quick } = options;
const only = options.only?.split(',') ?? (quick ? ['ops', 'upscale'] : ['ops', 'upscale', 'peers']);
for (const part of only)
  if (!['ops', 'upscale', 'peers'].includes(part))
    throw new Error(`Expected "ops", "upscale", "peers" or a list of them for --only, got ${part}`);
const peers = only.includes('peers');
const peersAlone = peers && only.length === 1;
const [ops, upscale] = ['ops', 'upscale'].map((part) => peersAlone || only.includes(part));

if (options.node24) {
  ensurePeers();
  if (process.execPath !== realpathSync(node24))
    process.exit(spawnSync(node24, process.argv.slice(1), { stdio: 'inherit' }).status ?? 1);
}

const nodeMajor = Number(process.versions.node.split('.')[0]);
if (nodeMajor < 22) setFlagsFromString('--experimental-wasm-relaxed-simd'); // on by default from 22; holds for workers too

ensurePackages();
ensureBuild();
if (peers) ensurePeers();

const { describeRun } = await import('./machine.js');
const { benchBackward } = await import('./backward.js');
const { benchKernels } = await import('./kernels.js');
const { benchOperators } = await import('./operators.js');
const { benchUpscale } = await import('./upscale.js');
const { benchLinear } = await import('./linear.js');
const { benchProcesses } = await import('./processes.js');
const { mergeJson, sections, writeTables } = await import('./report.js');
const { plotAll } = await import('./plot.js');
const shapes = await import('./shapes.js');

const log = (line) => console.error(line);
const timing = quick ? { rounds: 3, sampleMs: 1, warmupMs: 0 } : { rounds: 15 };
const meta = describeRun(
  ['npm run bench', process.argv.length > 2 ? ['--', ...process.argv.slice(2)].join(' ') : '']
    .filter(Boolean)
    .join(' '),
);
const pick = (all, few) => (quick ? few : all).filter((one) => !peersAlone || one.peers);
const results = { meta };
/** Ours alone are all shapes; beside peers are those that have them. */
const keep = (ours, beside, rows) => {
  if (!peersAlone) results[ours] = rows;
  if (peers) results[beside] = rows.filter((row) => row.peers.length);
};
if (ops && !peersAlone) results.kernels = await benchKernels({ timing });
if (ops)
  keep(
    'operators',
    'operatorPeers',
    await benchOperators(pick(shapes.operators, shapes.quickOperators), { peers, timing, log }),
  );
if (ops && !peersAlone)
  results.backward = await benchBackward(quick ? shapes.quickOperators : shapes.operators.slice(0, 3), { timing, log });
if (upscale)
  keep('upscale', 'upscalePeers', await benchUpscale(pick(shapes.images, shapes.quickImages), { peers, timing, log }));
if (upscale && !peersAlone) results.linear = await benchLinear(quick ? shapes.quickSides : shapes.sides, { log });
if (upscale && (peers || quick))
  results.processes = await benchProcesses(quick ? [shapes.quickImages[0]] : shapes.images.slice(0, 2), { peers, log });

const texts = sections(results);
console.log('all match\n');
for (const [name, text] of Object.entries(texts)) console.log(`## ${name}\n\n${text}\n`);
if (options.json) mergeJson(options.json, results);
if (options.write) {
  const suffix = `-v${nodeMajor}`;
  const file = join(root, `bench/results/node${suffix}.json`);
  mergeJson(file, results);
  writeTables(join(root, 'BENCHMARKS.md'), texts, suffix);
  plotAll();
}
