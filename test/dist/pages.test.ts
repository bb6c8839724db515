// Pages, frames and service workers that make it hard to start a worker: wrong files in its place, policies, opaque
// origins, no import(). What must come out is the enlarged picture, or at once an error that says why.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUpscaler } from 'carafe-web';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, launchChromium } from '../chromium.js';
import { picture } from './apps/picture.js';

const root = new URL('../../', import.meta.url);
const WORKER = '/dist/carafe-web-worker.js';
let browser: Browser;
let want: number[];
const closing: (() => void)[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  const upscaler = await createUpscaler({ backend: 'wasm' });
  want = [...(await upscaler.upscale(picture())).data];
  upscaler.dispose();
});
afterAll(async () => {
  for (const close of closing) close();
  await browser?.close();
});

interface Answer {
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly status?: number;
}

/**
 * This repository on a port of its own, with `answers` in the place of some of its files, and `headers` on its pages.
 */
async function site(answers: Record<string, Answer> = {}, headers: Record<string, string> = {}): Promise<string> {
  const blank = '<!doctype html><link rel="icon" href="data:,"><body></body>';
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const type = pathname === '/' ? 'text/html' : 'text/javascript';
    const answer = pathname === '/' ? { body: blank, ...answers[pathname] } : answers[pathname];
    const body = answer?.body ?? (await readFile(new URL(`.${pathname}`, root)).catch(() => undefined));
    response
      .writeHead(answer?.status ?? (body === undefined ? 404 : 200), {
        'content-type': answer?.type ?? type,
        'access-control-allow-origin': '*',
        ...(pathname === '/' && headers),
        ...answer?.headers,
      })
      .end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function open(origin: string): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(origin);
  return page;
}

interface Outcome {
  readonly thread?: string;
  readonly threadReason?: string;
  readonly data?: number[];
  readonly code?: string;
  readonly message?: string;
  readonly seconds: number;
}

const PICTURE = `const picture = ${picture.toString()};`;
const upscaleIn = (options: string): string => `(async () => {
  ${PICTURE}
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  try {
    const { createUpscaler } = await import('/dist/index.js');
    const upscaler = await createUpscaler(${options});
    const { data } = await upscaler.upscale(picture());
    const { thread, threadReason } = upscaler.info;
    upscaler.dispose();
    return { thread, threadReason, data: [...data], seconds: seconds() };
  } catch ({ code, message }) {
    return { code, message, seconds: seconds() };
  }
})()`;

async function upscale(origin: string, options = "{ backend: 'wasm', thread: 'worker' }"): Promise<Outcome> {
  const page = await open(origin);
  const outcome = (await page.evaluate(upscaleIn(options))) as Outcome;
  await page.close();
  return outcome;
}

const worked = (outcome: Outcome): void => {
  expect(outcome).toMatchObject({ thread: 'worker' });
  expect(outcome.data).toEqual(want);
};

describe('a file in the worker’s place that is not the worker', () => {
  const comlink = `import { expose } from '/node_modules/comlink/dist/esm/comlink.mjs';`;
  test.each([
    ['says nothing', { body: 'setInterval(() => {}, 1000);' }],
    ['sends back what it gets', { body: 'onmessage = ({ data }) => postMessage(data);' }],
    ['answers for itself', { body: `${comlink} expose({ ready: () => true });` }],
    ['is of another version', { body: `${comlink} expose({ ready: () => 'carafe-web 0.0.1' });` }],
    ['throws', { body: 'throw new Error("no worker");' }],
    ['is a page', { body: '<!doctype html><title>not found</title>', type: 'text/html' }],
    ['is missing', { body: '', status: 404 }],
  ])('%s: the one inside the package', async (_, answer) => {
    worked(await upscale(await site({ [WORKER]: answer })));
  });

  test.each([
    ['says nothing', 'setInterval(() => {}, 1000);', /no answer in/],
    ['answers for itself', `${comlink} expose({ ready: () => true });`, /not the worker of carafe-web \d/],
  ])('as workerUrl, %s: an error, or the page’s own thread', async (_, body, reason) => {
    const origin = await site({ '/other.js': { body } });
    const options = "{ backend: 'wasm', workerUrl: '/other.js' }";
    const [asked, auto] = await Promise.all([
      upscale(origin, options.replace('{', "{ thread: 'worker',")),
      upscale(origin, options),
    ]);
    expect(asked.code).toBe('WorkerCrashed');
    expect(asked.message).toMatch(/^Expected a worker to start, got /);
    expect(asked.message).toMatch(reason);
    expect(auto).toMatchObject({ thread: 'inline', threadReason: asked.message });
    expect(auto.data).toEqual(want);
  });
});

describe('content security policies', () => {
  const self = "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
  const csp = (policy: string) => site({}, { 'content-security-policy': policy });
  test.each([
    ['workers of the page’s origin', `${self}; worker-src 'self'`],
    ['workers from blobs only', `${self}; worker-src blob:`],
    ['workers from data URLs only', `${self}; worker-src data:`],
    ['trusted types', "require-trusted-types-for 'script'"],
    ['trusted types with our policy’s name', "require-trusted-types-for 'script'; trusted-types carafe-web"],
    ['trusted types, workers of the page’s origin', `${self}; worker-src 'self'; require-trusted-types-for 'script'`],
  ])('%s', async (_, policy) => worked(await upscale(await csp(policy))));

  test.each([
    ['no workers', `${self}; worker-src 'none'`],
    ['trusted types of other names', "require-trusted-types-for 'script'; trusted-types other"],
  ])('%s: a reason for each way, and auto runs on the page’s thread', async (_, policy) => {
    const origin = await csp(policy);
    const asked = await upscale(origin);
    expect(asked.code).toBe('WorkerCrashed');
    for (const way of ['file', 'blob', 'data']) expect(asked.message).toContain(`${way}: `);
    expect(asked.seconds).toBeLessThan(5);
    const auto = await upscale(origin, "{ backend: 'wasm' }");
    expect(auto).toMatchObject({ thread: 'inline', threadReason: expect.stringContaining('file: ') });
    expect(auto.data).toEqual(want);
  });

  test('no wasm: an error that names it', async () => {
    const origin = await csp("default-src 'self' 'unsafe-inline'");
    const { code, message } = await upscale(origin, "{ backend: 'wasm', thread: 'inline' }");
    expect(code).toBe('BackendUnavailable');
    expect(message).toMatch(/wasm-unsafe-eval|Content Security Policy|blocked by CSP/);
  });
});

test('a frame of an opaque origin', async () => {
  const origin = await site({ '/frame.html': { type: 'text/html', body: '<!doctype html><body></body>' } });
  const page = await open(origin);
  await page.setContent('<iframe sandbox="allow-scripts" src="/frame.html"></iframe>');
  const frame = page.frames().at(-1)!;
  await frame.waitForLoadState();
  expect(await frame.evaluate('origin')).toBe('null');
  worked((await frame.evaluate(upscaleIn("{ backend: 'wasm', thread: 'worker' }"))) as Outcome);
  await page.close();
});

describe('carafe-web/inline, in service workers, which refuse import()', () => {
  const source = `${PICTURE}
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('message', ({ source, waitUntil }) => {
      upscale(picture(), { backend: 'wasm', model }).then(
        ({ data }) => source.postMessage([...data]),
        ({ code, message }) => source.postMessage(code + ': ' + message));
    });`;
  const ask = `new Promise((resolve) => {
    navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
    navigator.serviceWorker.ready.then(({ active }) => active.postMessage('go'));
  })`;

  test('a module', async () => {
    const origin = await site({
      '/sw.js': {
        body: `import { upscale } from '/dist/inline.js'; import model from '/dist/models/base-x2.js'; ${source}`,
      },
    });
    const page = await open(origin);
    await page.evaluate("navigator.serviceWorker.register('/sw.js', { type: 'module' })");
    expect(await page.evaluate(ask)).toEqual(want);
    await page.close();
  });

  test('a script made by a bundler, the model from a file', async () => {
    const { outputFiles, warnings } = await build({
      stdin: {
        contents: `import { upscale } from 'carafe-web/inline'; const model = '/models/base-x2.safetensors'; ${source}`,
        resolveDir: root.pathname,
      },
      bundle: true,
      format: 'iife',
      write: false,
    });
    expect(warnings).toEqual([]);
    const page = await open(await site({ '/sw.js': { body: outputFiles[0].text } }));
    await page.evaluate("navigator.serviceWorker.register('/sw.js')");
    expect(await page.evaluate(ask)).toEqual(want);
    await page.close();
  });
});

test('an extension of manifest version 3: its background script, and a page of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'carafe-web-extension-'));
  await cp(new URL('dist', root), join(folder, 'dist'), { recursive: true });
  const files = {
    'manifest.json': JSON.stringify({
      manifest_version: 3,
      name: 'carafe-web',
      version: '1',
      background: { service_worker: 'background.js', type: 'module' },
      content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" },
    }),
    'background.js': `import { upscale } from './dist/inline.js'; import model from './dist/models/base-x2.js'; ${PICTURE}
      globalThis.go = async () => [...(await upscale(picture(), { backend: 'wasm', model })).data];`,
    'page.html': '<!doctype html><link rel="icon" href="data:,"><body></body>',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const { context, close } = await launchChromium({ extension: folder });
  try {
    const background = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
    expect(await background.evaluate('go()')).toEqual(want);
    const page = await context.newPage();
    await page.goto(new URL('page.html', background.url()).href);
    worked((await page.evaluate(upscaleIn("{ backend: 'wasm', thread: 'worker' }"))) as Outcome);
  } finally {
    await close();
    await rm(folder, { recursive: true });
  }
});
