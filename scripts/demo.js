// npm run demo:build [folder]: the demo as a folder of static files (demo/dist) that anyone can host, at any path.
// npm run demo: builds it and serves it on localhost.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ensureBuild, ensurePackages, root } from './ensure.js';
import { serve } from './serve.js';

const COPIED = {
  'icon.svg': 'demo/icon.svg',
  'manifest.webmanifest': 'demo/manifest.webmanifest',
  'samples/cat.jpg': 'examples/sample.jpg',
  'third-party-licenses.txt': 'dist/third-party-licenses.txt',
};

/** Writes the demo into `folder`; what was there before is gone. `first`: the files of the first picture. */
export async function buildDemo(folder = join(root, 'demo/dist')) {
  const { build } = await import('esbuild');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'samples'), { recursive: true });
  for (const [name, source] of Object.entries(COPIED)) copyFileSync(join(root, source), join(folder, name));
  // Beside the chunks, whose names are like the package's own: so it finds them, and a page without a GPU takes the small one.
  mkdirSync(join(folder, 'chunks'));
  for (const name of ['carafe-web-worker.js', 'carafe-web-wasm-worker.js']) {
    const worker = readFileSync(join(root, 'dist', name), 'utf8');
    writeFileSync(join(folder, 'chunks', name), worker.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'));
  }
  /** @type {import('esbuild').BuildOptions} */
  const options = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: folder,
    legalComments: 'none',
    logLevel: 'error', // its warnings are about imports that sideEffects: false lets it leave out
  };
  const { metafile } = await build({
    ...options,
    entryPoints: { main: 'demo/main.ts' },
    splitting: true,
    chunkNames: 'chunks/carafe-web-[name]-[hash]',
    external: ['node:*'],
    metafile: true,
  });

  await build({ ...options, entryPoints: { style: 'demo/style.css' } });

  // What the first picture needs is asked for before the scripts that ask for it have come.
  const pathIn = (path) => relative(folder, resolve(root, path));
  const outputs = Object.keys(metafile.outputs);
  const main = outputs.find((path) => pathIn(path) === 'main.js');
  const page = [...staticImports(metafile, main)].map(pathIn);
  const model = pathIn(outputs.find((path) => pathIn(path).startsWith('chunks/carafe-web-base-x2-')));
  const preloads = [...page, model].map((path) => `<link rel="modulepreload" href="${path}">`);
  preloads.push('<link rel="preload" href="samples/cat.jpg" as="fetch" crossorigin>');
  const html = readFileSync(join(root, 'demo/index.html'), 'utf8').replace('<!-- preload -->', preloads.join('\n'));
  writeFileSync(join(folder, 'index.html'), html);

  // The worker's text inside the package is for those who do not host its file.
  const files = list(folder).filter((path) => !/third-party|carafe-web-worker-/.test(path));
  const hash = createHash('sha256');
  for (const path of files) hash.update(path).update(readFileSync(join(folder, path)));
  await build({
    ...options,
    entryPoints: { 'service-worker': 'demo/service-worker.ts' },
    format: 'iife',
    define: { FILES: JSON.stringify(['./', ...files]), VERSION: JSON.stringify(hash.digest('hex').slice(0, 12)) },
  });
  const first = ['index.html', 'style.css', 'main.js', ...page, 'chunks/carafe-web-wasm-worker.js', model];
  return { folder, files, first, bytes: gzipped(folder, first) };
}

/** The chunks that a chunk imports, and those that they import. */
function staticImports(metafile, path, found = new Set()) {
  for (const { path: next, kind } of metafile.outputs[path].imports) {
    if (kind !== 'import-statement' || found.has(next) || !metafile.outputs[next]) continue;
    found.add(next);
    staticImports(metafile, next, found);
  }
  return found;
}

function list(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function gzipped(folder, files) {
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file))).length, 0);
}

if (process.argv[1] === import.meta.filename) {
  ensurePackages();
  ensureBuild();
  const serving = process.argv.includes('--serve');
  const target = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
  const { folder, files, first, bytes } = await buildDemo(target && resolve(target));
  console.log(`The demo: ${files.length} files in ${relative(process.cwd(), folder)}`);
  console.log(`${(bytes / 1000).toFixed(1)} kB gz until the first picture without a GPU (${first.length} files)`);
  if (serving) console.log(`At ${(await serve(folder, Number(process.env.PORT ?? 8080))).origin}/`);
}
