// The packed tarball in every runtime: from each way to enlarge a picture the pixels, or the error that is right there.
// The README's table is made of it: npm run runtimes writes it.
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { upscale } from 'carafe-web';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { serve } from '../../scripts/serve.js';
import { difference } from '../api/support.js';
import { picture } from './apps/picture.js';
import {
  type Answer,
  type App,
  type Errors,
  type Failure,
  type Picture,
  runtimes,
  WAYS,
  type Way,
} from './runtimes.js';
import { pack, type Tarball } from './tarball.js';
import { TOOLS } from './tools.js';

ensurePackages(TOOLS);

const root = new URL('../..', import.meta.url).pathname;
let tarball: Tarball;
let site: Awaited<ReturnType<typeof serve>>;
let app: App;
let wanted: Uint8ClampedArray[]; // of both builds, which differ by 1 here and there

beforeAll(async () => {
  tarball = pack();
  const folder = tarball.app('app');
  cpSync(join(root, 'test/dist/runtimes'), folder, { recursive: true });
  cpSync(join(TOOLS, 'picture.js'), join(folder, 'picture.js'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "dependencies": { "carafe-web": "*" } }');
  symlinkSync(join(root, 'node_modules/webgpu'), join(folder, 'node_modules/webgpu'));
  site = await serve(folder);
  app = { folder, origin: site.origin };
  wanted = await Promise.all(
    ['simd', 'relaxed'].map(async (build) => {
      const wasm = new URL(`../../dist/carafe-${build}.wasm`, import.meta.url);
      return (await upscale(picture(), { backend: 'wasm', wasm })).data;
    }),
  );
});
afterAll(async () => {
  await site?.close();
  tarball?.remove();
});

const all = runtimes();
const rows = new Map<string, string[]>();

describe.concurrent('enlarges a picture', () => {
  for (const { name, program, places, run } of all) {
    // .ci/run asks for all of them
    const missing = !process.env.CI && !existsSync(program);
    if (missing) console.warn(`${name} is not tested: there is no ${program}`);
    test.skipIf(missing)(name, { timeout: 120_000 }, async () => {
      const { version, answers } = await run(app);
      // one program in ten crashed at its end once a worker had asked for a GPU
      if (name.startsWith('Deno')) {
        const threadReason = expect.stringContaining('Deno may crash');
        expect(answers[''].webgpu).toMatchObject({ thread: 'inline', threadReason });
      }
      const cells = Object.entries(places).map(([place, errors]) => {
        const row = WAYS.map((way) => cell(way, answers[place][way], errors));
        return { place, row: row.join(' | ') };
      });
      const different = [...new Set(cells.map(({ row }) => row))];
      rows.set(
        name,
        different.map((row) => {
          const same = cells.filter((one) => one.row === row).map(({ place }) => place);
          return `| ${name} (${version})${same[0] && `: ${same.join(', ')}`} | ${row} |`;
        }),
      );
    });
  }
});

/** What the table says of one way, if it is as it has to be. */
function cell(way: Way, answer: Answer, errors: Errors): string {
  const error = errors[way];
  if (error) {
    expect(answer).toMatchObject({ code: expect.any(String), message: expect.stringMatching(error) });
    const { code, message } = answer as Failure;
    return `\`${code}\`: ${error.exec(message)![0]}`;
  }
  const backend = way === 'webgpu' ? 'webgpu' : 'wasm';
  expect(answer).toMatchObject({ backend, ...((way === 'worker' || way === 'inline') && { thread: way }) });
  const { thread, details, data, rejected } = answer as Picture;
  const [off] = wanted.map((want) => difference(Uint8ClampedArray.from(data), want).max).sort();
  expect(off).toBeLessThanOrEqual(backend === 'webgpu' ? 1 : 0);
  if (way === 'auto') {
    const reason = expect.stringMatching(errors.webgpu ?? /software adapter|no navigator\.gpu/);
    expect(rejected).toEqual([{ backend: 'webgpu', reason }]);
    return thread === 'worker' ? 'wasm in a worker' : 'wasm';
  }
  const build = { simd: 'SIMD', 'relaxed-simd': 'relaxed SIMD' }[details] ?? /f16$/.exec(details)?.[0];
  return [off === 0 ? 'exact' : 'within 1', build].filter(Boolean).join(', ');
}

test('the README’s table is what came of it', () => {
  const [open, close] = ['<!-- runtimes -->', '<!-- /runtimes -->'];
  const file = join(root, 'README.md');
  const [before, rest] = readFileSync(file, 'utf8').split(`${open}\n`);
  const [table, after] = rest.split(close);
  const head = [
    '| runtime (version) | wasm in a worker | wasm on the same thread | WebGPU | by default |',
    `|${'---|'.repeat(5)}`,
  ];
  const ran = all.filter(({ name }) => rows.has(name));
  if (process.env.WRITE_RUNTIMES) {
    expect(ran).toEqual(all);
    const lines = [...head, ...ran.flatMap(({ name }) => rows.get(name)!)];
    writeFileSync(file, `${before}${open}\n${lines.join('\n')}\n${close}${after}`);
  } else {
    const body = table.trim().split('\n').slice(head.length);
    for (const { name } of ran) {
      // Debian's browsers are newer each month
      const unversioned = (lines: string[]) => lines.map((line) => line.replace(/ \([\d.]+\)/, ''));
      expect(unversioned(body.filter((line) => line.startsWith(`| ${name} (`)))).toEqual(unversioned(rows.get(name)!));
    }
    expect(body.filter((line) => !all.some(({ name }) => line.startsWith(`| ${name} (`)))).toEqual([]);
  }
});
