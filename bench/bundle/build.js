// `npm run bench:bundle [-- --small] [--out folder]`: a folder that runs on any Linux x86-64 machine with a Vulkan GPU and nothing else.
//   heavy/  Node, Dawn, onnxruntime-web, libraries that a machine may lack, packed; made again only when a version changes
//   light/  run.sh, the built package, the parts with the conformance suite, golden vectors, models
// --small: this Node and no onnxruntime-web, not compressed: for the test.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { esbuildAssets } from '../../scripts/assets.js';
import { ensureBuild, ensurePackages, root } from '../../scripts/ensure.js';
import { describeRun } from '../machine.js';
import { ensurePeers, node24 } from '../peers/ensure.js';

const { values } = parseArgs({ options: { small: { type: 'boolean' }, out: { type: 'string', default: '.bundle' } } });
const { small, out } = values;
const here = import.meta.dirname;
const heavy = resolve(root, out, 'heavy');
const light = resolve(root, out, 'light');
const version = (path) => JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).version;

ensurePackages();
ensureBuild();
if (!small) ensurePeers();
packRuntime();
await packCode();
for (const folder of [heavy, light]) console.log(`${folder}: ${(sizeOf(folder) / 1e6).toFixed(1)} MB`);

/** What the machine may lack: the Vulkan loader, what NVIDIA's driver links, the C++ library that Node and Dawn need. */
function libraries() {
  const names =
    /^\s*(lib(?:vulkan|stdc\+\+|gcc_s|X11|Xext|xcb|Xau|Xdmcp|bsd|md|GLX|GL|EGL|GLdispatch|OpenGL)\.so\.\d+) \(libc6,x86-64\) => (.*)$/;
  const found = new Map();
  for (const line of execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).split('\n')) {
    const [, name, path] = names.exec(line) ?? [];
    if (name && !found.has(name)) found.set(name, path);
  }
  const chromium = '/usr/lib/chromium/libvulkan.so.1';
  if (!found.has('libvulkan.so.1') && existsSync(chromium)) found.set('libvulkan.so.1', chromium);
  return found;
}

function packRuntime() {
  const node = small ? process.execPath : node24;
  const libs = libraries();
  const stamp = [
    `node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`,
    `webgpu ${version('node_modules/webgpu')}`,
    ...(small ? [] : [`onnxruntime-web ${version('bench/peers/node_modules/onnxruntime-web')}`]),
    ...[...libs].map(([name, path]) => `${name} ${basename(realpathSync(path))}`),
  ].join('\n');
  if (existsSync(join(heavy, 'stamp')) && readFileSync(join(heavy, 'stamp'), 'utf8') === stamp) return;
  rmSync(heavy, { recursive: true, force: true });
  const stage = join(heavy, 'stage');
  const copy = (from, to) => {
    mkdirSync(dirname(join(stage, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(stage, to));
  };
  copy(node, 'node');
  chmodSync(join(stage, 'node'), 0o755);
  for (const file of ['package.json', 'index.js', 'LICENSE.md', 'dist/linux-x64/dawn.node'])
    copy(join(root, 'node_modules/webgpu', file), `node_modules/webgpu/${file}`);
  if (!small) {
    for (const file of ['package.json', 'dist/ort.webgpu.bundle.min.mjs', 'dist/ort-wasm-simd-threaded.asyncify.wasm'])
      copy(join(root, 'bench/peers/node_modules/onnxruntime-web', file), `node_modules/onnxruntime-web/${file}`);
  }
  for (const [name, path] of libs) copy(path, `lib/${name}`);
  const [suffix, ...compression] = small ? [''] : ['.xz', '-I', 'xz -9 -T2'];
  execFileSync('tar', [...compression, '-cf', join(heavy, `runtime.tar${suffix}`), '-C', stage, '.']);
  rmSync(stage, { recursive: true });
  writeFileSync(join(heavy, 'stamp'), stamp);
}

async function packCode() {
  rmSync(light, { recursive: true, force: true });
  const app = join(light, 'app');
  mkdirSync(app, { recursive: true });
  cpSync(join(root, 'dist'), join(app, 'dist'), {
    recursive: true,
    filter: (path) => !/\.(d\.ts|map|deflate)$/.test(path),
  });
  copyFileSync(join(root, 'package.json'), join(app, 'package.json')); // so that `carafe-web` is found in its own folder
  await build({
    entryPoints: [join(here, 'main.ts')],
    outfile: join(app, 'code/main.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['carafe-web', 'webgpu', 'onnxruntime-web'],
    plugins: [esbuildAssets],
    logLevel: 'warning',
  });
  cpSync(join(root, 'test/golden'), join(app, 'golden'), { recursive: true });
  mkdirSync(join(app, 'models'));
  const models = readdirSync(join(root, 'models')).filter((name) => name.endsWith('.safetensors'));
  for (const name of models) copyFileSync(join(root, 'models', name), join(app, 'models', name));
  writeFileSync(join(app, 'models/index.json'), JSON.stringify(models));
  const { commit } = describeRun('');
  writeFileSync(join(app, 'build.json'), JSON.stringify({ commit, webgpu: version('node_modules/webgpu') }));
  copyFileSync(join(here, 'run.sh'), join(light, 'run.sh'));
  chmodSync(join(light, 'run.sh'), 0o755);
}

function sizeOf(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );
}
