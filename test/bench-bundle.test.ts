// The folder that `npm run bench:bundle` makes, run as a stranger's machine would: by run.sh alone, in another place,
// with small shapes.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../bench/bundle/report.js';
import { FILES } from './conformance/golden.js';

// In the report's order. The others take minutes on software: kernels with barriers, ONNX Runtime.
const PARTS = [
  'info',
  'models',
  'cases-f32-registers',
  'golden-f32-registers',
  'lost',
  'flat',
  'peaks',
  'dispatches',
  'images',
  'operator',
  'first',
  'first-again',
];

let folder: string;
let code: number;
let output: string;
let report: Report;
let text: string;

const run = (file: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; output: string }> =>
  new Promise((resolve) =>
    execFile(file, args, { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    ),
  );

const bundle = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; output: string }> =>
  run(join(folder, 'bundle/light/run.sh'), ['--small', '--seconds', '900', '--out', join(folder, 'results'), ...args], {
    CARAFE_BUNDLE: join(folder, 'unpacked'),
    OUT: undefined,
    ...env,
  });
const results = async (): Promise<Report> => JSON.parse(await readFile(join(folder, 'results/results.json'), 'utf8'));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carafe-web-bundle-'));
  const build = fileURLToPath(new URL('../bench/bundle/build.js', import.meta.url));
  const built = await run(process.execPath, [build, '--small', '--out', join(folder, 'bundle')]);
  expect(built, built.output).toMatchObject({ code: 0 });
  ({ code, output } = await bundle(PARTS));
  report = await results();
  text = await readFile(join(folder, 'results/results.md'), 'utf8');
}, 900_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the bundle on a software adapter', () => {
  it('ran every part that was named to its end, and nothing failed', () => {
    expect(report.parts.flatMap(({ failures }) => failures)).toEqual([]);
    expect(report.parts.map(({ part }) => part)).toEqual(PARTS);
    for (const { part, seconds } of report.parts) expect(seconds, part).toBeGreaterThan(0);
    expect(code).toBe(0);
    expect(output).toMatch(/failures: 0$/m);
  });

  it('says what adapter it was', () => {
    expect(output).toMatch(/"software":true/);
    expect(text).toMatch(/^# google swiftshader: .*SwiftShader/);
    expect(text).toMatch(/maxComputeInvocationsPerWorkgroup/);
  });

  const rows = (name: string): any[] => report.parts.flatMap(({ tables }) => tables[name] ?? []);

  it('cases and golden vectors are right, all that ran', () => {
    expect(rows('correct').length).toBe(1 + Object.keys(FILES).length + 1); // cases, ops, networks
    for (const { right, of } of rows('correct')) expect([right, of > 0]).toEqual([of, true]);
  });

  it('each dispatch has a time, bytes and a share of the peaks', () => {
    const [copy, fma, product] = rows('peaks');
    expect(copy.gbs).toBeGreaterThan(0);
    expect(Math.min(fma.tfs, product.tfs)).toBeGreaterThan(0);
    expect(rows('dispatches').length).toBe(15 + 4); // base, a module
    for (const { us, bytes } of rows('dispatches')) expect(Math.min(us, bytes)).toBeGreaterThan(0);
    expect(text.match(/^\| base 16x16 \| f32 .* \d+ % \|$/gm)?.length).toBe(15);
  });

  it('measured images, the operator, the first result; models are within 1 of wasm', () => {
    for (const name of ['images', 'host', 'operator', 'first', 'programs', 'models', 'lost', 'flat'])
      expect(rows(name).length, name).toBeGreaterThan(0);
    for (const { difference } of rows('models')) expect(difference).toBeLessThanOrEqual(1);
  });
});

describe('a bundle that meets trouble', () => {
  it('without any adapter every part says so and the report is complete', async () => {
    const outcome = await bundle(['info', 'flat', 'peaks'], {
      VK_ICD_FILENAMES: '/nowhere.json',
      VK_DRIVER_FILES: '/nowhere.json',
    });
    expect(outcome.code).toBe(1);
    const { parts } = await results();
    expect(parts.map(({ part }) => part)).toEqual(['info', 'flat', 'peaks']);
    for (const { failures } of parts) expect(failures.join()).toMatch(/no adapter/);
    expect(outcome.output).toMatch(/FAILED flat: .*no adapter/);
  });

  it('that has no time left says which parts did not run', async () => {
    expect((await bundle(['--seconds', '2', 'info', 'peaks'])).code).toBe(1);
    const { parts } = await results();
    expect(parts.map(({ part, failures }) => [part, failures])).toEqual(
      ['info', 'peaks'].map((part) => [part, ['left no result', 'ended early: no time was left; ']]),
    );
  });

  it('refuses a part that there is not', async () => {
    const outcome = await bundle(['dispatchs']);
    expect(outcome.code).not.toBe(0);
    expect(outcome.output).toMatch(/Expected parts of info, .*got dispatchs/);
  });
});
