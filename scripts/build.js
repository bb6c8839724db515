// assembly/ -> dist/*.wasm, src/ -> dist/*.js and dist/*.d.ts, models/ -> dist/models/*.js. The worker comes before the
// entries: its text is also carried inside the package for where its file is not found.
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { root, run } from './ensure.js';
import { esbuildAssets } from './assets.js';

const { build } = await import('esbuild');
const { default: zopfli } = await import('@gfx/zopfli');
const dist = join(root, 'dist');
const started = Date.now();
mkdirSync(dist, { recursive: true });

// Each source twice, with and without relaxed SIMD; what runs is inflated by src/backends/wasm/builds.ts.
await deflateBuilds('pictures', ['pictures-simd', 'pictures-relaxed'], 'pictures-wasm-builds.deflate');
await deflateBuilds('index', ['simd', 'relaxed'], 'core-wasm-builds.deflate');
await deflateBuilds('networks', ['networks-simd', 'networks-relaxed'], 'wasm-builds.deflate');
for (const target of ['pictures-simd', 'pictures-relaxed', 'networks-relaxed'])
  rmSync(join(dist, `carafe-${target}.wasm`)); // not files of the package
assemble('gradients', 'gradients');
const gradients = await promisify(zopfli.deflate)(readFileSync(join(dist, 'carafe-gradients.wasm')), {});
writeFileSync(join(dist, 'gradients-wasm.deflate'), gradients);
rmSync(join(dist, 'carafe-gradients.wasm')); // it is in the entry for backward alone
// The kernels' signatures, for src/backends/wasm.
for (const [target, name] of [
  ['networks-simd', 'kernels'],
  ['gradients', 'gradient-kernels'],
]) {
  renameSync(join(dist, `carafe-${target}.d.ts`), join(dist, `${name}.d.ts`));
  rmSync(join(dist, `carafe-${target}.js`)); // asc's loader, which nothing uses
}

/** Another module in the place of those that `filter` finds, in the bundles that never use them. */
const replace = (filter, path) => ({
  name: `replace ${filter}`,
  setup: ({ onResolve }) => onResolve({ filter }, () => ({ path: join(root, path) })),
});
/** Comlink without the side that this end is not. It has both only for functions that are sent, and none is. */
const comlinkWithout = (call) => ({
  name: `comlink without ${call}`,
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/comlink\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes(call)) throw new Error(`Expected "${call}" in ${path}`);
      return { contents: text.replace(call, '') };
    }),
});
/** The upscaler and the module do without the ops of whole architectures. */
const withoutNetworkOps = [
  replace(/\/network-ops\.js$/, 'src/worker/no-ops.ts'),
  replace(/\/wasm-builds\.deflate$/, 'dist/core-wasm-builds.deflate'),
];
/** Where there is no GPU, the upscaler does without WebGPU and the module's ops as well. */
const picturesOnWasm = [
  replace(/\/(network|operator)-ops\.js$/, 'src/worker/no-ops.ts'),
  replace(/\/wasm-builds\.deflate$/, 'dist/pictures-wasm-builds.deflate'),
  replace(/\/webgpu\/(adapter|webgpu-backend)\.js$/, 'src/worker/no-webgpu.ts'),
];
/** The models are modules of their own, beside the chunks that load them. */
const models = {
  name: 'models',
  setup: ({ onResolve }) =>
    onResolve({ filter: /\.safetensors$/ }, ({ path }) => ({
      path: `./models/${basename(path, '.safetensors')}.js`,
      external: true,
    })),
};
/** @type {import('esbuild').BuildOptions} */
const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'dist',
  sourcemap: 'linked',
  legalComments: 'inline',
  metafile: true,
  external: ['sharp', 'onnxruntime-web', 'node:*', 'fs', 'module', 'path', 'url'], // the last four: as the command line's packages name them
};

// Workers are scripts, not modules: see src/worker/spawn.ts.
const notInWorkers = replace(/\/(reference-backend|shader-texts)\.js$/, 'src/worker/not-in-worker.ts');
const worker = await buildWorker('carafe-web-worker', 'src/worker/upscaler-worker.ts', withoutNetworkOps);
const wasmWorker = await buildWorker('carafe-web-wasm-worker', 'src/worker/wasm-worker.ts', picturesOnWasm);
const networksWorker = await buildWorker('carafe-web-networks-worker', 'src/worker/networks-worker.ts', []);

const entries = await build({
  ...options,
  entryPoints: {
    index: 'src/index.ts',
    core: 'src/core.ts',
    networks: 'src/networks.ts',
    inpaint: 'src/inpaint.ts',
    onnx: 'src/onnx/index.ts',
    backward: 'src/backward.ts',
    webgpu: 'src/webgpu.ts',
    cli: 'src/cli/main.ts',
  },
  splitting: true,
  // Known to src/worker/spawn.ts, and beside the worker: it is found relative to the chunk.
  chunkNames: 'carafe-web-[name]-[hash]',
  plugins: [esbuildAssets, models, comlinkWithout('expose(obj, port1);')],
});
await build({
  ...options,
  entryPoints: { inline: 'src/core.ts' },
  plugins: [esbuildAssets, replace(/\/client\.js$/, 'src/worker/no-client.ts'), ...withoutNetworkOps],
});
const edge = await build({
  ...options,
  entryPoints: { edge: 'src/edge/index.ts' },
  minify: true, // edge runtimes limit what is uploaded, and not every tool minifies
  plugins: [
    replace(
      /\/(explain-pixel|to-canvas|webgpu-backend|webgpu\/adapter)\.js$|\/wasm-builds\.deflate$/,
      'src/edge/left-out.ts',
    ),
    replace(/^\.\/carafe\.js$/, 'src/edge/left-out.ts'), // of engine/specs.ts
    replace(/\/client\.js$/, 'src/worker/no-client.ts'),
    notInWorkers,
    replace(/\/(network|operator)-ops\.js$/, 'src/worker/no-ops.ts'),
    esbuildAssets,
  ],
});
await build({
  absWorkingDir: root,
  entryPoints: readdirSync(join(root, 'models'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => ({ in: `models/${name}`, out: basename(name, '.safetensors') })),
  bundle: true,
  minify: true,
  format: options.format,
  target: options.target,
  outdir: 'dist/models',
  loader: { '.safetensors': 'binary' },
});
await declarations();
writeFileSync(join(dist, 'third-party-licenses.txt'), licenses(worker, wasmWorker, networksWorker, entries, edge));

// What an earlier build left, last: a process that runs the old files keeps them while this one works.
removeOlderThan(dist, started - 1000);
writeFileSync(join(dist, '.built'), '');
for (const name of readdirSync(dist).filter((file) => /\.(js|wasm)$/.test(file))) {
  const bytes = readFileSync(join(dist, name));
  console.log(
    `  ${name.padEnd(24)} ${(bytes.length / 1024).toFixed(1).padStart(7)} kB ${(gzipSync(bytes).length / 1024).toFixed(1).padStart(7)} kB gz`,
  );
}

function assemble(entry, target) {
  run('npx', ['--no-install', 'asc', `assembly/${entry}.ts`, '--config', 'asconfig.json', '--target', target]);
}

async function buildWorker(name, entry, plugins) {
  const built = await build({
    ...options,
    entryPoints: { [name]: entry },
    format: 'iife',
    minify: true,
    plugins: [esbuildAssets, notInWorkers, comlinkWithout('return wrap(port);'), ...plugins],
  });
  await minify(join(dist, `${name}.js`));
  return built;
}

async function deflateBuilds(entry, targets, deflated) {
  for (const target of targets) assemble(entry, target);
  const [simd, relaxed] = targets.map((target) => readFileSync(join(dist, `carafe-${target}.wasm`)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(simd.length);
  const bytes = Buffer.concat([length, simd, relaxed]);
  writeFileSync(join(dist, deflated), await promisify(zopfli.deflate)(bytes, {})); // 5 % less than zlib's
}

/** By terser after esbuild: 1.0 kB of gzip less than by esbuild alone, 0.2 less than by terser alone. */
async function minify(file) {
  const terser = await import('terser');
  const map = `${basename(file)}.map`;
  const minified = await terser.minify(readFileSync(file, 'utf8'), {
    ecma: 2020,
    toplevel: true,
    compress: { passes: 3, pure_getters: true, unsafe_arrows: true, evaluate: false }, // what is evaluated compresses worse: 0.5 kB
    format: { comments: 'some' },
    sourceMap: { content: readFileSync(`${file}.map`, 'utf8'), includeSources: true, url: map },
  });
  writeFileSync(file, /** @type {string} */ (minified.code));
  writeFileSync(`${file}.map`, /** @type {string} */ (minified.map));
}

/** One file of types for each entry, with nothing in it that the public API does not name. */
async function declarations() {
  const { rollup } = await import('rollup');
  const { dts } = await import('rollup-plugin-dts');
  const bundle = await rollup({
    input: {
      index: join(root, 'src/index.ts'),
      core: join(root, 'src/core.ts'),
      networks: join(root, 'src/networks.ts'),
      inpaint: join(root, 'src/inpaint.ts'),
      onnx: join(root, 'src/onnx/index.ts'),
      backward: join(root, 'src/backward.ts'),
      webgpu: join(root, 'src/webgpu.ts'),
      edge: join(root, 'src/edge/index.ts'),
    },
    plugins: [dts({ tsconfig: join(root, 'scripts/tsconfig.types.json') })],
    onLog(_, { message }) {
      throw new Error(message); // a type in the public API that is not exported, for one
    },
  });
  await bundle.write({ dir: dist, format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: 'types.d.ts' });
  await bundle.close();
  for (const name of ['wasm', 'model', 'model-file', 'worker'])
    copyFileSync(join(root, `src/declarations/${name}.d.ts`), join(dist, `${name}.d.ts`));
}

/** Of the packages whose code is in the bundles, and of AssemblyScript, whose library is in the wasm files. */
function licenses(...bundles) {
  const inputs = bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const names = inputs.flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []);
  return [...new Set([...names, 'assemblyscript'])]
    .sort()
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const texts = ['LICENSE', 'NOTICE'].map((file) => join(folder, file)).filter(existsSync);
      if (texts.length === 0) throw new Error(`Expected a LICENSE in ${folder}, got none`);
      return [`${name} ${version} (${license})`, ...texts.map((file) => readFileSync(file, 'utf8').trim())].join(
        '\n\n',
      );
    })
    .join(`\n\n${'-'.repeat(80)}\n\n`)
    .concat('\n');
}

function removeOlderThan(folder, time) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile() && statSync(path).mtimeMs < time) rmSync(path);
    else if (entry.isDirectory()) {
      removeOlderThan(path, time);
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    }
  }
}
