// The bench still runs: every check passes, every section is measured. Nothing about how fast.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('..', import.meta.url).pathname;

test('npm run bench -- --quick: all match, and each section has numbers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'carafe-web-bench-'));
  const json = join(folder, 'results.json');
  const out = execFileSync(process.execPath, ['bench/run.js', '--quick', '--json', json], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  expect(out).toMatch(/^all match\n/);
  const results = JSON.parse(await readFile(json, 'utf8'));
  await rm(folder, { recursive: true });
  expect(Object.keys(results).sort()).toEqual(['linear', 'operators', 'processes', 'upscale']);
  for (const { ours } of [...results.operators.value, ...results.upscale.value]) {
    expect(Object.keys(ours)).toEqual(expect.arrayContaining(['worker', 'inline', 'inline, plain SIMD']));
    for (const { cpuMs, gfs, share } of Object.values<Record<string, number>>(ours)) for (const value of [cpuMs, gfs, share]) expect(value).toBeGreaterThan(0);
  }
});
