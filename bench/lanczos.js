// node bench/lanczos.js [--write]: models beside pica's Lanczos on its wasm, all on one thread of one process: a
// picture of 256x256 pixels enlarged twice, RGBA in and out. On the Node 24 of the peers.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuild, ensurePackages, root } from '../scripts/ensure.js';
import { ensurePeers, node24 } from './peers/ensure.js';

ensurePackages();
ensureBuild();
ensurePeers();
if (process.execPath !== realpathSync(node24))
  process.exit(spawnSync(node24, process.argv.slice(1), { stdio: 'inherit' }).status ?? 1);

const { createUpscaler } = await import('carafe-web');
const { testImage } = await import('./data.js');
const { describeRun } = await import('./machine.js');
const { interleave, ratio, summary } = await import('./measure.js');
const { openPica } = await import('./peers/pica.js');
const { sections, writeTables } = await import('./report.js');

const PICA = 'pica, lanczos3';
const MODELS = /** @type {const} */ (['tiny', 'small', 'base', 'nearest', 'bicubic', 'lanczos']);
const meta = describeRun('node bench/lanczos.js'); // its load is that before the run
const image = testImage(256, 256);
const pica = openPica();
const upscalers = await Promise.all(
  // at restore 0: 'auto' looks at each picture first
  MODELS.map((model) => createUpscaler({ backend: 'wasm', thread: 'inline', model, restore: 0 })),
);
const samples = await interleave(
  [
    { name: PICA, run: () => pica.run(image) },
    ...upscalers.map((upscaler) => ({ name: upscaler.info.model, run: () => upscaler.upscale(image) })),
  ],
  { rounds: 15, sampleMs: 50, warmupMs: 500, budgetMs: 90_000 },
);
const rows = Object.entries(samples).map(([name, own]) => ({
  name,
  ...summary(own),
  ratio: ratio(samples[PICA], own).cpu,
  bestRatio: summary(own).bestMs / summary(samples[PICA]).bestMs,
}));
const texts = sections({ meta, lanczos: rows });
console.log(texts.lanczos);
if (process.argv.includes('--write')) writeTables(join(root, 'BENCHMARKS.md'), texts, '-v24');
for (const upscaler of upscalers) upscaler.dispose();
