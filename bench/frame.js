// `node bench/frame.js`: what programs move on a GPU, and what a frame of 1920x1080 would take on an integrated one, by counting. Each dispatch takes
// the longer of its bytes and its operations (bench/traffic.ts) at speeds such a GPU has; nothing is measured. --write puts both into BENCHMARKS.md.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { create, globals } from 'webgpu';
import { esbuildAssets } from '../scripts/assets.js';
import { root } from '../scripts/ensure.js';
import { table, writeTables } from './report.js';
import { operators } from './shapes.js';

const [SIDE, TILES] = [720, 4]; // squares that together have the pixels of 1920x1080
const GPU = { gbs: 50, tfs: { f32: 1, f16: 2 } };

const folder = mkdtempSync(join(tmpdir(), 'carafe-web-frame-'));
const outfile = join(folder, 'traffic.js');
await build({
  entryPoints: [join(root, 'bench/traffic.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  plugins: [esbuildAssets],
});
const { moduleTraffic, tileTraffic } = await import(outfile);
rmSync(folder, { recursive: true });

Object.assign(globalThis, globals);
const gpu = create(['backend=null']); // records and computes nothing
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16'] });

const gb = (dispatches) => (TILES * dispatches.reduce((sum, { read, written }) => sum + read + written, 0)) / 1e9;
const milliseconds = (dispatches, tfs) =>
  TILES *
  dispatches.reduce(
    (sum, { read, written, mflops }) => sum + Math.max((read + written) / GPU.gbs / 1e6, mflops / tfs / 1e3),
    0,
  );
const rows = readdirSync(join(root, 'models'))
  .filter((name) => name.endsWith('.safetensors'))
  .map((name) => {
    const file = new Uint8Array(readFileSync(join(root, 'models', name)));
    const count = (half) => tileTraffic(device, file, name, SIDE, { half, hardware: true }).dispatches;
    const [full, half] = [count(false), count(true)];
    const gflop = (TILES * full.reduce((sum, { mflops }) => sum + mflops, 0)) / 1e3;
    return {
      name: name.replace('.safetensors', ''),
      gflop,
      cells: [
        gb(full).toFixed(2),
        milliseconds(full, GPU.tfs.f32).toFixed(0),
        gb(half).toFixed(2),
        milliseconds(half, GPU.tfs.f32).toFixed(0),
        milliseconds(half, GPU.tfs.f16).toFixed(0),
        (gflop / GPU.tfs.f32).toFixed(0),
      ],
    };
  })
  .sort((a, b) => a.gflop - b.gflop)
  .map(({ name, gflop, cells }) => [name, gflop.toFixed(0), ...cells]);
const text = table(
  [
    'model',
    'GFLOP',
    'f32: GB',
    'ms',
    'f16 stored: GB',
    'ms, sums in f32',
    'ms, if sums were f16',
    'operations alone in f32, ms',
  ],
  rows,
);
const full = { half: false, hardware: true };
const base = new Uint8Array(readFileSync(join(root, 'models/base-x2.safetensors')));
const traffic = trafficTable([
  moduleTraffic(device, operators[0], full),
  tileTraffic(device, base, 'base x2, a tile of 256x256', 256, full),
]);
console.log(`${text}\n\n${traffic}`);
if (process.argv.includes('--write')) writeTables(join(root, 'BENCHMARKS.md'), { frame: text, traffic });
device.destroy();

function trafficTable(traffic) {
  const kB = (bytes) => (bytes / 1e3).toFixed(0);
  return traffic
    .map(
      ({ name, dispatches, bytes, layers, ends }) =>
        `**${name}**: ${dispatches.length} dispatches, ${(bytes / 1e6).toFixed(1)} MB: ${(bytes / layers).toFixed(2)} times what its layers must move, ${(bytes / ends).toFixed(2)} times its input, parameters and result.\n\n${table(
          ['dispatch', 'reads, kB', 'writes, kB', 'MFLOP'],
          dispatches.map(({ what, read, written, mflops }) => [
            what,
            kB(read),
            kB(written),
            mflops ? mflops.toFixed(0) : '',
          ]),
        )}`,
    )
    .join('\n\n');
}
