// The package as npm would publish it: what is in it, that it runs where nothing else is installed, that the examples in the docs run.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as carafeWeb from 'carafe-web';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testImage } from '../api/support.js';

const root = new URL('../..', import.meta.url).pathname;

describe('the packed tarball', () => {
  let folder: string;
  let files: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carafe-web-pack-'));
    const installed = join(folder, 'node_modules/carafe-web');
    await mkdir(installed, { recursive: true });
    const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    })
      .trim()
      .split('\n')
      .at(-1)!;
    execFileSync('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', installed]);
    files = readdirSync(installed, { recursive: true }) as string[];
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('holds the build, the docs and the cards, and no sources or weights twice', () => {
    for (const file of [
      'dist/index.js',
      'dist/worker.js',
      'dist/cli.js',
      'dist/carafe-simd.wasm',
      'dist/carafe-relaxed.wasm',
      'dist/types/index.d.ts',
      'README.md',
      'LICENSE',
      ...readdirSync(`${root}models`)
        .filter((name) => name.endsWith('.md'))
        .map((name) => `models/${name}`),
    ])
      expect(files).toContain(file);
    expect(files.filter((file) => /^(src|test|assembly|shaders|training|bench)|\.safetensors$/.test(file))).toEqual([]);
  });

  test('upscales in a worker where nothing else is installed', async () => {
    await writeFile(
      join(folder, 'app.mjs'),
      `
      import { createUpscaler } from 'carafe-web';
      const upscaler = await createUpscaler({ thread: 'worker' });
      const { width } = await upscaler.upscale({ data: new Uint8ClampedArray(400), width: 10, height: 10 });
      console.log(width, upscaler.info.backend); // and no dispose: an idle worker does not keep the process alive`,
    );
    expect(execFileSync(process.execPath, ['app.mjs'], { cwd: folder, encoding: 'utf8', timeout: 30_000 })).toBe(
      '20 wasm\n',
    );
  });

  test('takes a compiled module of its own wasm file, inline, as edge runtimes need it', async () => {
    await writeFile(
      join(folder, 'edge.mjs'),
      `
      import { readFileSync } from 'node:fs';
      import { upscale } from 'carafe-web';
      const wasm = await WebAssembly.compile(readFileSync(new URL(import.meta.resolve('carafe-web/wasm/simd'))));
      const { width } = await upscale({ data: new Uint8ClampedArray(400), width: 10, height: 10 }, { wasm, thread: 'inline' });
      console.log(width);`,
    );
    expect(execFileSync(process.execPath, ['edge.mjs'], { cwd: folder, encoding: 'utf8' })).toBe('20\n');
  });
});

test('what a page loads for wasm and webgpu, models apart, is at most 45 kB (min + gzip), and both wasm builds 40 kB', async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export * from '${root}dist/index.js';`, resolveDir: root },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    outdir: '/',
    write: false,
    metafile: true,
    external: ['sharp', 'node:*'],
    logLevel: 'silent',
  });
  const page = new Set<string>();
  const add = (name: string): void => {
    page.add(name);
    for (const { path, kind } of metafile.outputs[name].imports)
      if (kind === 'import-statement' && !page.has(path)) add(path);
  };
  add(Object.keys(metafile.outputs).find((name) => name.endsWith('stdin.js'))!);
  const loaded = [...page].map(
    (name) => outputFiles.find(({ path }) => path.endsWith(name.split('/').at(-1)!))!.contents,
  );
  const bytes = [...loaded, readFileSync(`${root}dist/worker.js`)].reduce(
    (sum, contents) => sum + gzipSync(contents).length,
    0,
  );
  expect(bytes / 1024).toBeLessThanOrEqual(45);
  const wasm = ['simd', 'relaxed'].reduce(
    (sum, name) => sum + readFileSync(`${root}dist/carafe-${name}.wasm`).length,
    0,
  );
  expect(wasm / 1024).toBeLessThanOrEqual(40);
});

describe('examples run', () => {
  const AsyncFunction = (async () => {}).constructor as new (
    ...args: string[]
  ) => (...values: unknown[]) => Promise<void>;

  for (const file of ['src/api/upscale.ts', 'src/api/carafe.ts']) {
    const examples = [...readFileSync(join(root, file), 'utf8').matchAll(/@example\n([\s\S]*?)\*\//g)].map(([, text]) =>
      text.replace(/^ \* ?/gm, ''),
    );
    test.each(examples)(`${file}: %s`, async (code) => {
      const { createUpscaler, upscale, createCarafe, carafe } = carafeWeb;
      await new AsyncFunction('createUpscaler', 'upscale', 'createCarafe', 'carafe', code)(
        createUpscaler,
        upscale,
        createCarafe,
        carafe,
      );
    });
    test(`${file} has an example for each function`, () => expect(examples).toHaveLength(2));
  }

  test('README', async () => {
    const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map(
      ([, code]) => code.replace(/^import .* from 'carafe-web';$/gm, ''),
    );
    expect(blocks.length).toBeGreaterThanOrEqual(2);
    const tensor = (...shape: number[]) => ({ data: new Float32Array(shape.reduce((p, s) => p * s)), shape });
    const scope: Record<string, unknown> = {
      ...carafeWeb,
      image: testImage(8, 8),
      signal: undefined,
      features: tensor(1, 4, 3, 3),
      kernels: tensor(1, 25, 6, 6),
      x: tensor(1, 4, 3, 3),
    };
    for (const code of blocks.slice(0, 2)) {
      const learned = code.replace('compress: { weights, bias }, encode: { weights, bias }', 'encode');
      await new AsyncFunction(...Object.keys(scope), 'encode', learned)(...Object.values(scope), {
        weights: tensor(100, 4, 3, 3),
      });
    }
  });
});

test('every worker file that the bundles look for lies beside them', () => {
  const dist = join(root, 'dist');
  const bundles = readdirSync(dist).filter(
    (file) =>
      file.endsWith('.js') &&
      readFileSync(join(dist, file), 'utf8').includes('new URL("./worker.js", import.meta.url)'),
  );
  expect(bundles.length).toBeGreaterThan(0);
  expect(readdirSync(dist)).toContain('worker.js');
});
