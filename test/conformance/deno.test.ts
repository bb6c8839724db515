// The conformance suite in Deno on lavapipe: the other WGSL compiler, and the one software adapter with shader-f16.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { esbuildAssets } from '../../scripts/assets.js';
import { LAVAPIPE } from '../firefox.js';
import type { DenoReport } from './deno/run.js';
import { reportedTests } from './reported.js';
import { halfTestNames, testNames } from './suite.js';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const names = [
  ...testNames,
  ...testNames.map((name) => `hardware ${name}`),
  ...halfTestNames,
  ...halfTestNames.map((name) => `hardware ${name}`),
];

let folder: string;
let report: DenoReport;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carafe-web-deno-'));
  const script = join(folder, 'run.js');
  await build({
    entryPoints: [path('deno/run.ts')],
    outfile: script,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
    plugins: [esbuildAssets],
  });
  const models = (await readdir(path('../../models')))
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => path(`../../models/${name}`));
  const { stdout } = await promisify(execFile)(
    path('../../node_modules/.bin/deno'),
    ['run', '-A', '--no-config', script, ...models],
    {
      env: {
        ...process.env,
        VK_ICD_FILENAMES: LAVAPIPE,
        DENO_DIR: join(folder, 'cache'),
        NO_COLOR: '1',
        DENO_NO_UPDATE_CHECK: '1',
      },
      maxBuffer: 2 ** 26,
    },
  );
  report = JSON.parse(stdout);
}, 600_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('Deno on lavapipe', () => {
  it('ran all of it, on that adapter, with f16 storage', () => {
    expect(report.details.f32).toMatch(/llvmpipe/);
    expect(report.details.f16).toBe(`${report.details.f32}, f16`);
    expect(report.results.map(({ name }) => name)).toEqual(names);
  });

  it('an image in f16 storage is within 1 of one in f32, whatever the model', () => {
    expect(Object.keys(report.images).length).toBeGreaterThanOrEqual(4);
    for (const max of Object.values(report.images)) expect(max).toBeLessThanOrEqual(1);
  });

  reportedTests(names, () => report.results);
});
