// Every runtime that the package is tested in: how each starts, and what is right there. All run runtimes/attempts.js
// on the packed tarball, in a fresh folder that is also served.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { UpscalerInfo } from 'carafe-web';
import { build } from 'esbuild';
import { CHROMIUM, launchChromium, NO_SIMD } from '../chromium.js';
import { FIREFOX, LAVAPIPE, launchFirefox } from '../firefox.js';
import { launchWebKit, WEBKIT } from '../webkit.js';
import { bun, DENO, tool } from './tools.js';

const sh = promisify(execFile);

/** Of one way to enlarge the picture: what computed, and the pixels; or the error. */
export type Answer = Picture | Failure;
export interface Picture extends Pick<UpscalerInfo, 'backend' | 'thread' | 'threadReason' | 'details' | 'rejected'> {
  readonly data: readonly number[];
}
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export const WAYS = ['worker', 'inline', 'webgpu', 'auto'] as const;
export type Way = (typeof WAYS)[number];

/** The ways that cannot be, and what their errors say; all others give the pixels. */
export type Errors = Readonly<Partial<Record<Way, RegExp>>>;

export interface App {
  readonly folder: string;
  readonly origin: string;
}

export interface Runtime {
  readonly name: string;
  /** Has to be on this machine. */
  readonly program: string;
  readonly places: Readonly<Record<string, Errors>>;
  run(app: App): Promise<Run>;
}

/** A version, and the answers from each place. */
interface Run {
  readonly version: string;
  readonly answers: Readonly<Record<string, Readonly<Record<Way, Answer>>>>;
}

const NO_GPU: Errors = { webgpu: /no navigator\.gpu/ };
const NO_ADAPTER: Errors = { webgpu: /no adapter/ };
const WITHOUT_SIMD: Errors = {
  worker: /no WebAssembly simd/,
  inline: /no WebAssembly simd/,
  auto: /no WebAssembly simd/,
};
const NO_NESTED_WORKERS: Errors = { worker: /without workers/ };
const IN_A_WORKER_OF_FIREFOX: Errors = { worker: /a Firefox worker/ };
const NO_WORKERS_INLINE: Errors = { worker: /carafe-web\/inline, which has none/ };

interface Tab {
  readonly version: string;
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

function browser(
  name: string,
  program: string,
  places: Runtime['places'],
  open: (origin: string) => Promise<Tab>,
): Runtime {
  return {
    name,
    program,
    places,
    async run({ origin }) {
      const { version, evaluate, close } = await open(origin);
      try {
        const names = JSON.stringify(Object.keys(places));
        const answers = await evaluate(`import('/places.js').then(({ answersFrom }) => answersFrom(${names}))`);
        return { version, answers: answers as Run['answers'] };
      } finally {
        await close();
      }
    },
  };
}

const chromium =
  (options: Parameters<typeof launchChromium>[0]) =>
  async (origin: string): Promise<Tab> => {
    const { context, close } = await launchChromium(options);
    const page = await context.newPage();
    await page.goto(origin);
    const version = await page.evaluate<string>(String.raw`/Chrome\/(\d+)/.exec(navigator.userAgent)[1]`);
    return { version, evaluate: (expression) => page.evaluate(expression), close };
  };

async function firefox(origin: string): Promise<Tab> {
  const browser = await launchFirefox({ webgpu: true });
  const page = await browser.newPage();
  await page.goto(origin);
  const version = /\d+/.exec(await browser.version())![0];
  return { version, evaluate: (expression) => page.evaluate(expression), close: () => browser.close() };
}

async function webkit(origin: string): Promise<Tab> {
  const browser = await launchWebKit();
  await browser.goto(origin);
  return browser;
}

/** A program that writes its answers to stdout, and ends. */
function command(
  name: string,
  program: string,
  args: readonly string[],
  errors: Errors,
  { env, prepare }: { env?: Record<string, string>; prepare?: (folder: string) => Promise<unknown> } = {},
): Runtime {
  return {
    name,
    program,
    places: { '': errors },
    async run({ folder }) {
      await prepare?.(folder);
      const options = { cwd: folder, env: { ...process.env, NODE_OPTIONS: '', ...env }, timeout: 60_000 };
      const { stdout } = await sh(program, args, { ...options, maxBuffer: 2 ** 24 }).catch((error) => {
        throw new Error(`ended with code ${error.code}, signal ${error.signal}: ${error.message}`);
      });
      const { version, answers } = JSON.parse(stdout);
      return { version, answers: { '': answers } };
    },
  };
}

/** Scripts are what node:vm runs. */
const bundleForRealm = (folder: string): Promise<unknown> =>
  build({
    entryPoints: [join(folder, 'realm-app.js')],
    outfile: join(folder, 'realm-bundle.js'),
    bundle: true,
    platform: 'node',
    format: 'iife',
    globalName: 'app',
    define: { 'import.meta.url': JSON.stringify(`file://${folder}/`) },
    logLevel: 'silent',
  });

/** workerd on the module `script` and those that it imports; `prepare` makes them. */
function workerd(
  name: string,
  packageName: string,
  script: string,
  prepare?: (folder: string) => Promise<unknown>,
): Runtime {
  const inWrangler = createRequire(tool('wrangler/package.json'));
  return {
    name,
    program: tool('wrangler/package.json'),
    places: { '': { ...NO_GPU, ...NO_WORKERS_INLINE } },
    async run({ folder }) {
      await prepare?.(folder);
      const { Miniflare } = inWrangler('miniflare');
      const miniflare = new Miniflare({
        modules: true,
        modulesRoot: folder,
        scriptPath: join(folder, script),
        modulesRules: [
          { type: 'ESModule', include: ['**/*.js'] },
          { type: 'CompiledWasm', include: ['**/*.wasm'] },
          { type: 'Data', include: ['**/*.safetensors'] },
        ],
        compatibilityDate: '2026-04-01',
      });
      try {
        const answers = await (await miniflare.dispatchFetch('http://localhost/')).json();
        return { version: inWrangler(`${packageName}/package.json`).version, answers: { '': answers } };
      } finally {
        await miniflare.dispose();
      }
    },
  };
}

const wrangler = (folder: string): Promise<unknown> =>
  sh(process.execPath, [tool('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'], {
    cwd: folder,
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', NODE_OPTIONS: '', VITEST: undefined },
  });

const at = (names: readonly string[], errors: Errors): Runtime['places'] =>
  Object.fromEntries(names.map((name) => [name, errors]));

/** What ensurePackages() brings has to be there. */
export function runtimes(): readonly Runtime[] {
  const node = (version: number): string => tool(`node${version}/bin/node`);
  const onLavapipe = { env: { VK_ICD_FILENAMES: LAVAPIPE } };
  return [
    browser(
      'Chromium',
      CHROMIUM,
      {
        ...at(['page', 'module worker', 'sandboxed frame'], {}),
        'shared worker': NO_NESTED_WORKERS,
        'service worker': NO_WORKERS_INLINE,
      },
      chromium({}),
    ),
    browser('Chromium without a GPU adapter', CHROMIUM, at(['page'], NO_ADAPTER), chromium({ webgpu: false })),
    browser('Chromium without SIMD', CHROMIUM, at(['page'], WITHOUT_SIMD), chromium({ simd: false })),
    browser('Firefox', FIREFOX, { page: {}, 'module worker': IN_A_WORKER_OF_FIREFOX }, firefox),
    browser('WebKitGTK', WEBKIT, at(['page', 'module worker'], NO_GPU), webkit),
    ...[20, 22, 24].map((version) => command(`Node ${version}`, node(version), ['node.js'], {})),
    command('Node 24 without SIMD', node(24), [...NO_SIMD, 'node.js'], WITHOUT_SIMD),
    command('a realm of node:vm, as jest makes it', node(24), ['realm.js'], NO_GPU, { prepare: bundleForRealm }),
    command('Deno', DENO, ['run', '-A', 'node.js'], {}, onLavapipe),
    command('Deno without SIMD', DENO, ['run', '-A', `--v8-flags=${NO_SIMD}`, 'node.js'], WITHOUT_SIMD, onLavapipe),
    command('Bun', bun(), ['node.js'], NO_GPU),
    command(
      'Bun without SIMD',
      bun(),
      ['node.js'],
      { ...WITHOUT_SIMD, ...NO_GPU },
      { env: { BUN_JSC_useWasmSIMD: '0' } },
    ),
    workerd('workerd in miniflare', 'miniflare', 'workerd.js'),
    workerd('workerd, bundled by wrangler', 'wrangler', 'out/wrangler.js', wrangler),
  ];
}
