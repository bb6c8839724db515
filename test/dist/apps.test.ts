// Apps built from the packed tarball by the tools that people use, as those tools come, and opened in a real Chromium:
// the pixels of Node, from a worker, without a warning or a request that fails, and with one copy of the worker.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createUpscaler, upscale, type UpscalerInfo } from 'carafe-web';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { serve } from '../../scripts/serve.js';
import { difference } from '../api/support.js';
import { type Browser, launchChromium } from '../chromium.js';
import { picture } from './apps/picture.js';
import { freePort } from './free-port.js';
import { pack, type Tarball } from './tarball.js';

const tools = new URL('./apps/', import.meta.url).pathname;
const bin = (path: string): string => join(tools, 'node_modules', path);

interface App {
  readonly name: string;
  /** Besides upscale.js and index.js. */
  readonly files: Readonly<Record<string, string>>;
  /** The command that builds it, in its folder. */
  readonly build?: readonly string[];
  /** The folder that is served, or the command that serves, with a port as its last argument. */
  readonly served: string | readonly string[];
  /** The folder of what is sent to browsers, in which copies are counted. */
  readonly emitted?: string;
  /** The tool has to be in the app's own node_modules. */
  readonly linked?: boolean;
  /**
   * Tools that know `new URL('./file', import.meta.url)` put the worker's file where their output is; elsewhere its
   * text is inside.
   */
  readonly worker: 'file' | 'inside';
}

const html = (script: string): Record<string, string> => ({
  'index.html': `<!doctype html><title>app</title><link rel="icon" href="data:,"><body>${script}`,
});
const module = html('<script type="module" src="./index.js"></script>');
const bundle = html('<script type="module" src="./dist/index.js"></script>');
const classic = html('<script src="./dist/main.js"></script>');
const next = {
  'app/layout.js':
    'export default ({ children }) => <html><head><link rel="icon" href="data:," /></head><body>{children}</body></html>;',
  'app/page.js': `'use client';
import { useEffect } from 'react';
import { run } from '../upscale.js';
export default function Page() { useEffect(() => void run(), []); return <p>app</p>; }`,
};

const node = process.execPath;
const vite = (version: number): App[] => [
  {
    name: `vite ${version} build`,
    files: module,
    build: [node, bin(`vite${version}/bin/vite.js`), 'build'],
    served: 'dist',
    emitted: 'dist',
    worker: 'file',
  },
  {
    name: `vite ${version} dev`,
    files: module,
    served: [node, bin(`vite${version}/bin/vite.js`), '--port'],
    worker: 'inside',
  },
];
const api = (tool: string): string[] => [node, join(tools, 'build.js'), tool];
const esbuild = [
  new URL('../../node_modules/.bin/esbuild', import.meta.url).pathname,
  'index.js',
  '--bundle',
  '--format=esm',
  '--outdir=dist',
];
const APPS: readonly App[] = [
  {
    name: 'next',
    linked: true,
    files: next,
    build: [node, 'node_modules/next/dist/bin/next', 'build'],
    served: [node, 'node_modules/next/dist/bin/next', 'start', '-p'],
    emitted: '.next/static',
    worker: 'file',
  },
  {
    name: 'next webpack',
    linked: true,
    files: next,
    build: [node, 'node_modules/next/dist/bin/next', 'build', '--webpack'],
    served: [node, 'node_modules/next/dist/bin/next', 'start', '-p'],
    emitted: '.next/static',
    worker: 'file',
  },
  {
    name: 'parcel',
    files: module,
    build: [node, bin('parcel/lib/bin.js'), 'build', 'index.html', '--no-cache'],
    served: 'dist',
    emitted: 'dist',
    worker: 'file',
  },
  ...[5, 7, 8].flatMap(vite),
  { name: 'webpack', files: classic, build: api('webpack'), served: '.', emitted: 'dist', worker: 'file' },
  { name: 'rspack', files: classic, build: api('rspack'), served: '.', emitted: 'dist', worker: 'file' },
  { name: 'rollup', files: bundle, build: api('rollup'), served: '.', emitted: 'dist', worker: 'inside' },
  { name: 'esbuild', files: bundle, build: esbuild, served: '.', emitted: 'dist', worker: 'inside' },
  {
    name: 'esbuild split',
    files: bundle,
    build: [...esbuild, '--splitting'],
    served: '.',
    emitted: 'dist',
    worker: 'inside',
  },
  {
    name: 'import map',
    files: html(
      '<script type="importmap">{"imports":{"carafe-web":"./node_modules/carafe-web/dist/index.js"}}</script><script type="module" src="./index.js"></script>',
    ),
    served: '.',
    worker: 'file',
  },
];

/** Two at a time: two cores. */
let free = 2;
const waiting: (() => void)[] = [];
async function inTurn<T>(body: () => Promise<T>): Promise<T> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else free--;
  try {
    return await body();
  } finally {
    const go = waiting.shift();
    if (go) go();
    else free++;
  }
}

const env = {
  ...process.env,
  NODE_OPTIONS: '',
  NODE_ENV: undefined,
  VITEST: undefined,
  CI: '1',
  NEXT_TELEMETRY_DISABLED: '1',
  NO_COLOR: '1',
  WRANGLER_SEND_METRICS: 'false',
};

const sh = promisify(execFile);

/** Builds one app in its own folder; the folder. */
async function make(tarball: Tarball, app: App): Promise<string> {
  const folder = tarball.app(app.name.replaceAll(' ', '-'));
  if (app.linked) await linkTools(folder);
  for (const [file, text] of Object.entries({
    'package.json': '{ "private": true, "type": "module" }',
    'upscale.js': readFileSync(join(tools, 'upscale.js'), 'utf8'),
    'picture.js': readFileSync(join(tools, 'picture.js'), 'utf8'),
    'index.js': "import { run } from './upscale.js';\nrun();\n",
    ...app.files,
  })) {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  if (app.build) {
    const [command, ...args] = app.build;
    const { stdout, stderr } = await sh(command, args, { cwd: folder, env, timeout: 180_000 }).catch((error) => {
      throw new Error(`${app.build!.join(' ')}\n${error.stdout}\n${error.stderr}`);
    });
    const complaints = `${stdout}\n${stderr}`.split('\n').filter((line) => /warn|error|deprecat/i.test(line));
    expect(complaints).toEqual([]);
  }
  return folder;
}

/** Tools that look for themselves in the app's node_modules: their files are there as hard links. */
async function linkTools(folder: string): Promise<void> {
  const [from, to] = [`${join(tools, 'node_modules')}/.`, join(folder, 'node_modules')];
  await sh('cp', ['-al', from, to]).catch(() => sh('cp', ['-a', from, to]));
}

/** Serves the built app; a command is given a free port and waited for. */
async function open(app: App, folder: string): Promise<{ origin: string; close(): Promise<void> }> {
  if (typeof app.served === 'string') return serve(join(folder, app.served));
  const port = await freePort();
  const [command, ...args] = app.served;
  const server = spawn(command, [...args, String(port)], { cwd: folder, env, stdio: 'ignore' });
  const origin = `http://localhost:${port}`;
  const close = async (): Promise<void> => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill();
    await ended;
  };
  for (const start = Date.now(); Date.now() - start < 60_000; ) {
    if (
      await fetch(origin).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return { origin, close };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await close();
  throw new Error(`${app.served.join(' ')} does not answer`);
}

interface Seen {
  readonly result: { readonly info?: UpscalerInfo; readonly data?: number[]; readonly error?: string };
  /** Console messages that are warnings or errors, and requests that failed. */
  readonly complaints: string[];
  /** Where they were started from. */
  readonly workers: string[];
}

async function look(browser: Browser, origin: string): Promise<Seen> {
  const page = await browser.context.newPage();
  const complaints: string[] = [];
  const workers: string[] = [];
  page.on('console', (message) => {
    if (['warning', 'error'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`);
  });
  page.on('worker', (worker) => workers.push(worker.url().split(':')[0]));
  await page.goto(origin);
  await page.waitForFunction('globalThis.result', undefined, { timeout: 60_000 });
  const result = (await page.evaluate('globalThis.result')) as Seen['result'];
  await page.close();
  return { result, complaints, workers };
}

/** How often wasm builds, the upscaler's own or those with the ops of the module and of networks, stand in what is sent to browsers: once in each copy of what computes. */
function copies(folder: string): number {
  const builds = ['pictures-wasm-builds', 'core-wasm-builds', 'wasm-builds'].map((name) =>
    readFileSync(new URL(`../../dist/${name}.deflate`, import.meta.url))
      .toString('base64')
      .slice(0, 60),
  );
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name.endsWith('.js'))
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'))
    .reduce((sum, text) => sum + builds.reduce((found, build) => found + text.split(build).length - 1, 0), 0);
}

let browser: Browser;
let tarball: Tarball;
let want: Uint8ClampedArray;
beforeAll(async () => {
  ensurePackages(tools);
  tarball = pack();
  browser = await launchChromium();
  const upscaler = await createUpscaler({ backend: 'wasm' });
  want = (await upscaler.upscale(picture())).data;
  upscaler.dispose();
}, 600_000);
afterAll(async () => {
  await browser?.close();
  tarball?.remove();
});

describe.concurrent('an app made with', () => {
  for (const app of APPS)
    test(app.name, { timeout: 600_000 }, async () => {
      const seen = await inTurn(async () => {
        const folder = await make(tarball, app);
        const site = await open(app, folder);
        try {
          return { ...(await look(browser, site.origin)), copies: app.emitted && copies(join(folder, app.emitted)) };
        } finally {
          await site.close();
        }
      });
      expect(seen.result.error).toBeUndefined();
      expect(seen.result.info).toMatchObject({ backend: 'wasm', thread: 'worker' });
      expect(new Set(seen.workers)).toEqual(new Set([app.worker === 'file' ? 'http' : 'blob']));
      expect(seen.complaints).toEqual([]);
      expect(difference(Uint8ClampedArray.from(seen.result.data!), want)).toEqual({ count: 0, max: 0 });
      // The whole worker's file and the one for wasm, the first again inside the package, and what computes on the page's own thread.
      if (app.emitted) expect(seen.copies).toBe(app.worker === 'file' ? 4 : 2);
    });
});

test('a worker of an edge runtime made with wrangler', { timeout: 600_000 }, async () => {
  const [data, wanted] = await inTurn(async () => {
    const app: App = {
      name: 'wrangler',
      files: {
        'wrangler.toml': 'name = "app"\nmain = "worker.js"\ncompatibility_date = "2026-04-01"\n',
        'worker.js': `
          import wasm from 'carafe-web/simd.wasm';
          import model from 'carafe-web/models/base-x2.js';
          import { upscale } from 'carafe-web/inline';
          import { picture } from './picture.js';
          export default { fetch: async () => new Response((await upscale(picture(), { wasm, model })).data) };`,
      },
      served: [node, bin('wrangler/bin/wrangler.js'), 'dev', '--port'],
      worker: 'inside',
    };
    const site = await open(app, await make(tarball, app));
    try {
      const simd = new URL('../../dist/carafe-simd.wasm', import.meta.url);
      const { data } = await upscale(picture(), { wasm: simd, backend: 'wasm' });
      return [new Uint8ClampedArray(await (await fetch(site.origin)).arrayBuffer()), data];
    } finally {
      await site.close();
    }
  });
  expect(difference(data, wanted)).toEqual({ count: 0, max: 0 });
});
