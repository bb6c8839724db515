// assembly/ -> dist/*.wasm, src/ -> dist/*.js and dist/types. The worker comes first: its text is also carried inside the package
// for bundlers that do not find the file.
import { deflateRawSync, gzipSync } from 'node:zlib';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './ensure.js';
import { minifyWgsl } from './minify-wgsl.js';

const { build } = await import('esbuild');
const dist = join(root, 'dist');
const started = Date.now();
mkdirSync(dist, { recursive: true });

for (const target of ['simd', 'relaxed'])
  run('npx', ['--no-install', 'asc', '--config', 'asconfig.json', '--target', target]);

const [simd, relaxed] = ['simd', 'relaxed'].map((target) => readFileSync(join(dist, `carafe-${target}.wasm`)));
const length = Buffer.alloc(4);
length.writeUInt32LE(simd.length);
writeFileSync(join(dist, 'wasm-builds.deflate'), deflateRawSync(Buffer.concat([length, simd, relaxed]), { level: 9 })); // unpacked by src/backends/wasm/builds.ts

const options = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'dist',
  entryNames: '[name]',
  legalComments: 'none',
  loader: { '.deflate': 'binary', '.safetensors': 'binary' },
  external: ['sharp', 'node:*', 'fs', 'module', 'path', 'url'], // the last four: as the command line's packages name them
  plugins: [
    {
      name: 'text', // imports that end in ?text are the file's text; shaders come minified
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /\?text$/ }, ({ path, resolveDir }) => ({
          path: join(resolveDir, path.slice(0, -5)),
          namespace: 'text',
        }));
        onLoad({ filter: /.*/, namespace: 'text' }, ({ path }) => ({
          contents: readFileSync(path, 'utf8'),
          loader: 'text',
        }));
        onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
          contents: minifyWgsl(readFileSync(path, 'utf8')),
          loader: 'text',
        }));
      },
    },
  ],
};
// The reference never runs in the worker (api/options.ts). A stub stands in for it: bundlers refuse an import of a file that does not exist.
const noReference = {
  name: 'no-reference',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/reference-backend\.js$/ }, () => ({ path: 'reference-backend', namespace: 'absent' }));
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: "throw new Error('absent');" }));
  },
};
await build({
  ...options,
  entryPoints: { worker: 'src/worker/host.ts' },
  minify: true,
  plugins: [...options.plugins, noReference],
});
await build({
  ...options,
  entryPoints: { index: 'src/index.ts', cli: 'src/cli/main.ts' },
  splitting: true,
  chunkNames: '[name]-[hash]',
}); // beside worker.js: the worker is found relative to the chunk
run('npx', [
  '--no-install',
  'tsc',
  '--noEmit',
  'false',
  '--declaration',
  '--emitDeclarationOnly',
  '--outDir',
  'dist/types',
  '--rootDir',
  'src',
  '-p',
  'scripts/tsconfig.types.json',
]);
for (const name of readdirSync(dist)) {
  // what an earlier build left, last: a process that runs the old files keeps them while this one works
  if (statSync(join(dist, name)).isFile() && statSync(join(dist, name)).mtimeMs < started - 1000)
    rmSync(join(dist, name));
}
writeFileSync(join(dist, '.built'), '');

for (const name of readdirSync(dist).filter((file) => /\.(js|wasm)$/.test(file))) {
  const bytes = readFileSync(join(dist, name));
  console.log(
    `  ${name.padEnd(22)} ${(bytes.length / 1024).toFixed(1).padStart(7)} kB ${(gzipSync(bytes).length / 1024).toFixed(1).padStart(7)} kB gz`,
  );
}
