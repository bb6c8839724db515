// What README.md and docs/ show is run, from the packed tarball, by where a block says it runs:
//   js node          a program of its own beside photo.jpg and model.pth; `gpu`: with npm's webgpu
//   js page          a module of a page that shows photo.jpg; in the end there is a canvas or a link. jsx page: a component
//   js wasm-module   a program whose bundler makes .wasm files compiled modules
//   sh run           commands that the guides run one after the other; what they print is the block of text behind
//   python run       the same with Debian's torch, where that is: it prints the shapes that inspect has to print
import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build, type Plugin } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { serve } from '../../scripts/serve.js';
import { type Browser, launchChromium } from '../chromium.js';
import { pack, type Tarball } from './tarball.js';

const root = new URL('../..', import.meta.url).pathname;
const sh = promisify(execFile);

interface Block {
  readonly place: string;
  readonly language: string;
  readonly where: string;
  readonly code: string;
}

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const blocks = documents.flatMap((name): Block[] => {
  const text = readFileSync(join(root, name), 'utf8');
  return [...text.matchAll(/^ *```(\w+)? ?(.*)\n([\s\S]*?)^ *```$/gm)].map((match) => ({
    place: `${name}:${text.slice(0, match.index).split('\n').length}`,
    language: match[1] ?? '',
    where: match[2],
    code: match[3],
  }));
});
const at = (...wheres: string[]): Block[] => blocks.filter(({ where }) => wheres.includes(where));

let tarball: Tarball;
let app: string;
beforeAll(() => {
  tarball = pack();
  app = tarball.app('app');
  writeFileSync(join(app, 'package.json'), '{ "type": "module" }');
  copyFileSync(join(root, 'test/images/car.png'), join(app, 'photo.jpg')); // sharp looks at bytes, not at names
  for (const [file, name] of [
    ['mmcv', 'model.pth'],
    ['detector', 'detector.pth'],
    ['mmdet', 'epoch_12.pth'],
    ['yolo', 'best.pt'],
    ['yolo', 'state.pth'], // what Python makes of it
    ['xialipku', 'model.pt'],
  ])
    copyFileSync(join(root, `test/golden/checkpoints/${file}.pth`), join(app, name));
  for (const name of ['sharp', 'webgpu', 'onnxruntime-web'])
    symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
  for (const block of at('run')) printed.set(block, run(block));
}, 120_000);
afterAll(() => tarball?.remove());

const PYTHON = '/usr/bin/python3';
const hasTorch = spawnSync(PYTHON, ['-c', 'import torch']).status === 0;
const guides = documents.filter((name) => name.startsWith('docs/guides/'));
/** Of the blocks that are run one after the other. */
const printed = new Map<Block, string>();

function run({ place, language, code }: Block): string {
  if (language === 'python' && !hasTorch) return '';
  const command = code.replaceAll('npx carafe-web', `node ${join(app, 'node_modules/carafe-web/dist/cli.js')}`);
  const [program, flags] = language === 'python' ? [PYTHON, ['-c', code]] : ['sh', ['-ec', command]];
  const { status, stdout, stderr } = spawnSync(program, flags, { cwd: app, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${place} ended with ${status}: ${stderr}`);
  return stdout;
}

describe.each(guides)('%s', (name) => {
  const own = blocks.filter(({ place }) => place.startsWith(`${name}:`));
  const commands = own.filter(({ language, where }) => language === 'sh' && where === 'run');

  test('what the commands print is what is shown', () => {
    expect(commands.length).toBeGreaterThan(1);
    for (const block of commands) {
      const next = own[own.indexOf(block) + 1];
      expect(printed.get(block)).toBe(next?.language === 'text' ? next.code : '');
    }
  });

  test.skipIf(!hasTorch)('the shapes that Python prints are those that inspect prints', () => {
    const python = own.find(({ language }) => language === 'python')!;
    const lines = printed.get(python)!.trim().split('\n');
    const layers = printed.get(commands[0])!.split(/\n(?! )/);
    expect(lines.length).toBeGreaterThan(0);
    expect(python.code.trim().split('\n').length).toBeLessThanOrEqual(10);
    for (const line of lines) {
      const [, prefix, shape] = line.match(/^(.+) (encoder \(.+\))$/)!;
      expect(layers.filter((layer) => layer.startsWith(`${prefix} `) && layer.includes(` ${shape}`))).toHaveLength(1);
    }
  });
});

test('every block of JavaScript says where it runs', () => {
  expect(blocks.length).toBeGreaterThan(12);
  const wheres = ['node', 'node gpu', 'page', 'wasm-module'];
  const dumb = blocks.filter(({ language, where }) => /^[jt]sx?$/.test(language) && !wheres.includes(where));
  expect(dumb.map(({ place }) => place)).toEqual([]);
});

test('every file that is linked is there', () => {
  const missing = documents.flatMap((name) => {
    const text = readFileSync(join(root, name), 'utf8').replace(/```[\s\S]*?```/g, '');
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, link]) => link);
    return links.filter((link) => !existsSync(join(root, name, '..', link))).map((link) => `${name}: ${link}`);
  });
  expect(missing).toEqual([]);
});

test('the reference of the API names every type that it uses', async () => {
  await sh('npx', ['--no-install', 'typedoc', '--emit', 'none'], { cwd: root }); // warnings are errors
}, 120_000);

test.each(at('node', 'node gpu'))('$place runs in Node', async ({ place, code, where }) => {
  const file = join(app, `${place.replace(/\W/g, '-')}.js`);
  writeFileSync(file, code);
  const env = {
    ...process.env,
    ...(where === 'node gpu' && { VK_ICD_FILENAMES: '/usr/lib/chromium/vk_swiftshader_icd.json' }),
  };
  const { stdout, stderr } = await sh(process.execPath, [file], { cwd: app, env });
  expect(stderr).toBe('');
  expect(stdout).not.toContain('undefined');
});

test.each(at('wasm-module'))('$place runs where .wasm files are modules', async ({ place, code }) => {
  const modules: Plugin = {
    name: 'modules',
    setup({ onLoad }) {
      onLoad({ filter: /\.wasm$/ }, ({ path }) => ({
        contents: `export default new WebAssembly.Module(Buffer.from('${readFileSync(path, 'base64')}', 'base64'));`,
      }));
    },
  };
  const outfile = join(app, `${place.replace(/\W/g, '-')}.mjs`);
  await build({
    stdin: { contents: code, resolveDir: app },
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
    plugins: [modules],
    logLevel: 'silent',
  });
  expect((await sh(process.execPath, [outfile])).stdout).toBe('64\n');
});

describe('in a page', () => {
  let site: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;
  beforeAll(async () => {
    const react = new URL('./apps/', import.meta.url).pathname;
    ensurePackages(react);
    for (const name of ['react', 'react-dom', 'scheduler'])
      symlinkSync(join(react, 'node_modules', name), join(app, 'node_modules', name));
    const installed = join(app, 'node_modules/carafe-web');
    mkdirSync(join(app, 'files'));
    for (const file of ['dist/carafe-web-worker.js', 'dist/carafe-simd.wasm', 'models/base-x2.safetensors'])
      copyFileSync(join(installed, file), join(app, 'files', file.split('/')[1]));
    site = await serve(app);
    browser = await launchChromium();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  test.each(at('page'))('$place', async ({ place, language, code }) => {
    const name = place.replace(/\W/g, '-');
    const component = /export function (\w+)/.exec(code)?.[1];
    const shown = component
      ? `${code}\nimport { createRoot } from 'react-dom/client';
         createRoot(document.querySelector('main')).render(<${component} src="photo.jpg" />);`
      : code;
    await build({
      stdin: { contents: shown, resolveDir: app, loader: language === 'jsx' ? 'jsx' : 'js' },
      bundle: true,
      splitting: true,
      format: 'esm',
      jsx: 'automatic',
      outdir: join(app, name),
      external: ['node:*', 'sharp'],
      logLevel: 'silent',
    });
    writeFileSync(
      join(app, `${name}.html`),
      '<!doctype html><link rel="icon" href="data:,"><main><img src="photo.jpg"></main>' +
        `<script type="module" src="${name}/stdin.js"></script>`,
    );
    const page = await browser.context.newPage();
    const trouble: string[] = [];
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
    await page.goto(`${site.origin}/${name}.html`);
    await page.waitForFunction(() => document.querySelector('canvas, a[download]'), undefined, { timeout: 20_000 });
    expect(trouble).toEqual([]);
    await page.close();
  });
});
