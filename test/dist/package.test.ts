// The package as npm would publish it: what is in it, that it runs where nothing else is installed, that the examples
// in the docs run.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, inflateRawSync } from 'node:zlib';
import * as carafeWeb from 'carafe-web';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pack, type Tarball } from './tarball.js';

const root = new URL('../..', import.meta.url).pathname;
const sh = promisify(execFile);

describe('the packed tarball', () => {
  let tarball: Tarball;
  let app: string;
  let installed: string;
  let files: string[];
  beforeAll(() => {
    tarball = pack();
    app = tarball.app('app');
    installed = join(app, 'node_modules/carafe-web');
    files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(installed.length + 1));
  });
  afterAll(() => tarball?.remove());

  test('holds the build, the docs, the models and their cards, and no sources', () => {
    for (const file of ['dist/cli.js', 'README.md', 'LICENSE', 'dist/third-party-licenses.txt'])
      expect(files).toContain(file);
    const models = readdirSync(join(root, 'models')).filter((name) => name.endsWith('.safetensors'));
    expect(models.length).toBeGreaterThan(10);
    for (const model of models) {
      const name = model.replace('.safetensors', '');
      for (const file of [`models/${name}.md`, `models/${model}`, `dist/models/${name}.js`])
        expect(files).toContain(file);
    }
    expect(
      files.filter((file) => /^(src|test|assembly|shaders|training|bench)\/|\.(log|deflate|built)$/.test(file)),
    ).toEqual([]);
  });

  test('does not say where it was built', () => {
    const places = files.filter((file) => readFileSync(join(installed, file)).includes(root));
    expect(places).toEqual([]);
  });

  test('has a file and its types for every export', () => {
    const { exports, main, types } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const targets = Object.entries(exports as Record<string, string | { types: string; default: string }>).flatMap(
      ([name, target]) => {
        if (name === './package.json') return [];
        expect(target, name).toMatchObject({ types: expect.stringMatching(/\.d\.ts$/), default: expect.any(String) });
        return Object.values(target);
      },
    );
    for (const target of [main, types, ...targets.map((path) => path.replace('*', 'base-x2'))])
      expect(files).toContain(target.replace('./', ''));
  });

  test('carries the licences of what is bundled, and keeps its notices', () => {
    const licences = readFileSync(join(installed, 'dist/third-party-licenses.txt'), 'utf8');
    for (const name of ['comlink', 'assemblyscript'])
      expect(licences).toMatch(new RegExp(`^${name} [\\d.]+ \\(Apache-2.0\\)$`, 'm'));
    const bundled = files.filter(
      (file) => /^dist\/[^/]+\.js$/.test(file) && readFileSync(join(installed, file), 'utf8').includes('Comlink.proxy'),
    );
    expect(bundled.length).toBeGreaterThan(1);
    for (const file of bundled) expect(readFileSync(join(installed, file), 'utf8')).toMatch(/Copyright \d+ Google LLC/);
  });

  test('has source maps that carry their sources', () => {
    for (const file of [
      'dist/carafe-web-worker.js',
      'dist/carafe-web-networks-worker.js',
      'dist/networks.js',
      'dist/index.js',
      'dist/core.js',
      'dist/inline.js',
    ]) {
      expect(readFileSync(join(installed, file), 'utf8')).toContain(`//# sourceMappingURL=${file.slice(5)}.map`);
      expect(files).toContain(`${file}.map`);
    }
    const { sources, sourcesContent } = JSON.parse(
      readFileSync(join(installed, 'dist/carafe-web-worker.js.map'), 'utf8'),
    );
    expect(sources).toContain('../src/worker/host.ts');
    expect(sourcesContent).toHaveLength(sources.length);
  });

  test('takes a compiled module of its own wasm file and a model’s, without workers and import(), as edge runtimes need it', async () => {
    writeFileSync(
      join(app, 'edge.mjs'),
      `
      import { readFileSync } from 'node:fs';
      import { upscale } from 'carafe-web/inline';
      const read = (name) => readFileSync(new URL(import.meta.resolve('carafe-web/' + name)));
      const wasm = await WebAssembly.compile(read('simd.wasm'));
      const { width } = await upscale({ data: new Uint8ClampedArray(400), width: 10, height: 10 }, { wasm, model: read('models/base-x2.safetensors') });
      console.log(width);`,
    );
    expect(execFileSync(process.execPath, ['edge.mjs'], { cwd: app, encoding: 'utf8' })).toBe('20\n');
    expect(readFileSync(join(installed, 'dist/inline.js'), 'utf8')).not.toMatch(/\bimport\(|\bimport\.meta|^import /m);
  });

  test('carafe-web/core brings no model into a bundle, and takes one from a file', async () => {
    const { outputFiles } = await build({
      stdin: { contents: "export * from 'carafe-web/core';", resolveDir: app },
      bundle: true,
      format: 'esm',
      minify: true,
      write: false,
      platform: 'node',
      logLevel: 'error',
    });
    expect(gzipSync(outputFiles[0].contents).length / 1024).toBeLessThan(118); // 117 of engine for both threads, shaders and both worker texts; the models would be 700 more
    writeFileSync(
      join(app, 'core.mjs'),
      `
      import { readFileSync } from 'node:fs';
      import { createUpscaler } from 'carafe-web/core';
      const model = new URL(import.meta.resolve('carafe-web/models/small-x3.safetensors'));
      const results = [];
      for (const source of [model, model.href, readFileSync(model)]) {
        const upscaler = await createUpscaler({ model: source, backend: 'wasm', workers: 1 });
        results.push(upscaler.info.model);
        upscaler.dispose();
      }
      results.push(await createUpscaler({}).catch(({ code, message }) => code + ': ' + message));
      results.push(await createUpscaler({ model: 'base' }).catch(({ code }) => code));
      console.log(JSON.stringify(results));`,
    );
    expect(JSON.parse(execFileSync(process.execPath, ['core.mjs'], { cwd: app, encoding: 'utf8' }))).toEqual([
      'small-x3',
      'small-x3',
      'small-x3',
      'InvalidOption: Expected a URL or the bytes of a .safetensors file for "model", got undefined',
      'InvalidOption',
    ]);
  });

  test('is built by npm pack in a fresh clone, to the same bytes', async () => {
    mkdirSync(join(root, '.cache'), { recursive: true });
    const clone = mkdtempSync(join(root, '.cache/clone-')); // on this disk, for hard links
    try {
      const kept = [
        'src',
        'assembly',
        'shaders',
        'models',
        'scripts',
        'package.json',
        'asconfig.json',
        'tsconfig.json',
        'README.md',
        'LICENSE',
      ];
      for (const name of kept) cpSync(join(root, name), join(clone, name), { recursive: true });
      await sh('cp', ['-al', join(root, 'node_modules'), clone]);
      await sh('npm', ['pack', '--pack-destination', clone], { cwd: clone });
      const again = readdirSync(clone).find((name) => name.endsWith('.tgz'))!;
      expect(readFileSync(join(clone, again)).equals(readFileSync(tarball.file))).toBe(true);
    } finally {
      rmSync(clone, { recursive: true });
    }
  }, 240_000);
});

test('what a page loads to enlarge, models apart, is at most 45 kB (min + gzip), 67.5 with a GPU, and both wasm builds 32 kB, with the operator 42.2', async () => {
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
  const loaded = new Set<string>();
  /** kB of a file and of what it imports, where that is not loaded yet. */
  const load = (file: string): number => {
    const name = Object.keys(metafile.outputs).find((one) => one.includes(file))!;
    if (loaded.has(name)) return 0;
    loaded.add(name);
    const { contents } = outputFiles.find(({ path }) => path.endsWith(name.split('/').at(-1)!))!;
    const imports = metafile.outputs[name].imports.filter(({ kind }) => kind === 'import-statement');
    return imports.reduce((sum, { path }) => sum + load(path), gzipSync(contents).length / 1024);
  };
  const sizeOf = (worker: string): number => gzipSync(readFileSync(`${root}dist/${worker}`)).length / 1024;
  const page = load('stdin.js');
  expect(page + sizeOf('carafe-web-wasm-worker.js')).toBeLessThanOrEqual(45);
  const shaders = load('shader-texts');
  expect(shaders).toBeLessThanOrEqual(9);
  expect(page + sizeOf('carafe-web-worker.js') + shaders).toBeLessThanOrEqual(67.5);
  const builds = (file: string): number => inflateRawSync(readFileSync(`${root}dist/${file}.deflate`)).length / 1024;
  expect(builds('pictures-wasm-builds')).toBeLessThanOrEqual(32);
  expect(builds('core-wasm-builds')).toBeLessThanOrEqual(42.2);
});

describe('examples run', () => {
  const AsyncFunction = (async () => {}).constructor as new (
    ...args: string[]
  ) => (...values: unknown[]) => Promise<void>;

  for (const file of ['src/api/named-models.ts', 'src/api/carafe.ts']) {
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
});

test.each(['carafe-web-worker.js', 'carafe-web-wasm-worker.js', 'carafe-web-networks-worker.js'])(
  '%s is beside the chunk that looks for it, which is known by its name',
  (worker) => {
    const dist = join(root, 'dist');
    expect(existsSync(join(dist, worker))).toBe(true);
    const bundles = readdirSync(dist).filter(
      (file) =>
        file.endsWith('.js') &&
        readFileSync(join(dist, file), 'utf8').includes(`new URL("./${worker}", import.meta.url)`),
    );
    expect(bundles).toEqual([expect.stringMatching(/^carafe-web-[a-z-]+-[A-Z0-9]{8}\.js$/)]); // fileIsThere in src/worker/spawn.ts
  },
);

/** What a worker is made of. */
function sourcesOf(worker: string): string[] {
  const { sources } = JSON.parse(readFileSync(join(root, `dist/${worker}.map`), 'utf8')) as { sources: string[] };
  return sources;
}

test('the upscaler’s worker has nothing of whole networks', () => {
  const sources = sourcesOf('carafe-web-worker.js');
  expect(sources).toContain('../src/engine/networks/carafe-luma.ts');
  expect(sources.filter((file) => /grid-sample|average-pool|network-ops\.ts$|upernet|fpn/.test(file))).toEqual([]);
  const kernels = WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(join(root, 'dist/carafe-simd.wasm'))));
  expect(kernels.map(({ name }) => name)).not.toContain('gridSample');
});

test('the worker for pictures on wasm has nothing of WebGPU and of the operator', () => {
  const sources = sourcesOf('carafe-web-wasm-worker.js');
  expect(sources).toContain('../src/engine/networks/carafe-luma.ts');
  const left =
    /\.wgsl$|\/webgpu\/(?!no-adapter)|engine\/carafe\.ts$|\/(reassemble|layout|normalize-kernels|operator-ops)\.ts$/;
  expect(sources.filter((file) => left.test(file))).toEqual([]);
});
