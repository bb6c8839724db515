// A real Chromium for tests: bundles made by esbuild, served from this machine, in a fresh profile.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type BrowserContext, chromium } from 'playwright-core';
import { esbuildAssets } from '../scripts/assets.js';

const ARGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WEBGPU_ARG = '--enable-unsafe-webgpu'; // without it navigator.gpu has no adapter here

/** With these WebGPU draws on canvases: else the GPU process dies of it here. */
export const WEBGPU_CANVAS = [WEBGPU_ARG, '--enable-features=Vulkan', '--use-vulkan=swiftshader', '--use-angle=vulkan'];

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Flags of V8: WebAssembly without SIMD. */
export const NO_SIMD = ['--no-enable-avx', '--no-enable-sse4-1'];

export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** Bundles each entry into `/<name>.js` and serves them with an empty page at `/` that loads `/page.js`. */
export async function serveBundles(entryPoints: Record<string, string>): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    outdir: '/',
    logLevel: 'silent',
    plugins: [esbuildAssets],
  });
  const scripts = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const server = createServer((request, response) => {
    const script = scripts.get(request.url ?? '');
    if (script) response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    else if (request.url === '/')
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end(
          '<!doctype html><title>conformance</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
        );
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
  });
}

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/**
 * Debian's chromium, headless; `CHROMIUM` names another. `extension`: the folder of one to load. `canvas`: WebGPU may
 * draw on one. Without `simd` it is as on a processor that has none.
 */
export async function launchChromium({
  webgpu = true,
  canvas = false,
  simd = true,
  extension,
}: {
  webgpu?: boolean;
  canvas?: boolean;
  simd?: boolean;
  extension?: string;
} = {}): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'carafe-web-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: [
      ...ARGS,
      ...(webgpu && !canvas ? [WEBGPU_ARG] : []),
      ...(canvas ? WEBGPU_CANVAS : []),
      ...(simd ? [] : [`--js-flags=${NO_SIMD.join(' ')}`]),
      // Playwright's own headless mode has no extensions, Chromium's has
      ...(extension
        ? ['--headless=new', `--disable-extensions-except=${extension}`, `--load-extension=${extension}`]
        : []),
    ],
    headless: !extension,
    ...(extension && { ignoreDefaultArgs: ['--disable-extensions'] }),
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
