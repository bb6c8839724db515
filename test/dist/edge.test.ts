// The examples of servers, from the packed tarball in a fresh folder: the Cloudflare worker, as wrangler bundles it, in
// workerd.
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { upscale } from 'carafe-web';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { example } from './example.js';
import { pack, type Tarball } from './tarball.js';

const root = new URL('../..', import.meta.url).pathname;
const tools = join(root, 'test/dist/apps');
const sh = promisify(execFile);

let tarball: Tarball;
beforeAll(() => {
  ensurePackages(tools);
  tarball = pack();
}, 600_000);
afterAll(() => tarball?.remove());

interface Workerd {
  post(body: Uint8Array, query?: string): Promise<Response>;
  /** Resident memory of its process: now, and the most so far; MB. */
  memory(): { now: number; most: number };
  dispose(): Promise<void>;
}

async function workerd(modules: readonly { type: string; path: string }[], modulesRoot: string): Promise<Workerd> {
  const { Miniflare, Log } = createRequire(join(tools, 'node_modules/wrangler/package.json'))('miniflare');
  const before = new Set(children());
  const miniflare = new Miniflare({ modules, modulesRoot, compatibilityDate: '2026-04-01', log: new Log(0) });
  const { origin } = await miniflare.ready;
  const [pid] = children().filter((one) => !before.has(one));
  return {
    post: (body, query = '') =>
      fetch(`${origin}/upscale${query}`, {
        method: 'POST',
        body: body as Uint8Array<ArrayBuffer>,
        headers: { connection: 'close' },
      }),
    memory() {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024;
      return { now: of('VmRSS'), most: of('VmHWM') };
    },
    dispose: () => miniflare.dispose(),
  };
}

/** Processes called workerd that this one started. */
function children(): string[] {
  return execFileSync('ps', ['--ppid', String(process.pid), '-o', 'pid=,comm='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.endsWith('workerd'))
    .map((line) => line.trim().split(' ')[0]);
}

const noise = (width: number, height: number): Sharp =>
  sharp({
    create: { width, height, channels: 3, background: '#000', noise: { type: 'gaussian', mean: 128, sigma: 30 } },
  }).blur(1);

describe('examples/cloudflare-worker', () => {
  let worker: Workerd;
  let size: number;
  let empty: number;

  beforeAll(async () => {
    const folder = example(tarball, 'cloudflare-worker');
    const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', NODE_OPTIONS: '', VITEST: undefined };
    const wrangler = join(tools, 'node_modules/wrangler/bin/wrangler.js');
    await sh(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', 'out'], { cwd: folder, env });
    const out = join(folder, 'out');
    const files = readdirSync(out).filter((name) => /\.(js|wasm|safetensors)$/.test(name));
    size = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(out, name)), { level: 9 }).length, 0);
    const types: Record<string, string> = { js: 'ESModule', wasm: 'CompiledWasm', safetensors: 'Data' };
    const nothing = await workerd(
      [{ type: 'ESModule', path: join(root, 'test/dist/empty-worker.js') }],
      join(root, 'test/dist'),
    );
    await nothing.post(new Uint8Array(1));
    empty = nothing.memory().now;
    await nothing.dispose();
    worker = await workerd(
      files
        .sort((a) => (a === 'worker.js' ? -1 : 1))
        .map((name) => ({ type: types[name.split('.').at(-1)!], path: join(out, name) })),
      out,
    );
  }, 120_000);
  afterAll(async () => await worker?.dispose());

  test('with two models is at most 400 kB, gzipped', () => {
    console.log(`bundle of examples/cloudflare-worker: ${(size / 1000).toFixed(1)} kB gz`);
    expect(size / 1000).toBeLessThanOrEqual(400);
  });

  test('gives the package’s pixels', async () => {
    const { data, info } = await noise(300, 200).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    const file = await sharp(data, { raw: info }).png().toBuffer();
    const response = await worker.post(file, '?scale=2&model=small&format=png');
    if (response.status !== 200) throw new Error(await response.text());
    const got = await sharp(await response.arrayBuffer())
      .ensureAlpha()
      .raw()
      .toBuffer();
    const simd = new URL('../../dist/carafe-simd.wasm', import.meta.url);
    const want = await upscale({ data, width: 300, height: 200 }, { model: 'small', backend: 'wasm', wasm: simd });
    expect(got.equals(Buffer.from(want.data.buffer))).toBe(true);
  });

  test('the largest picture in every format and the best quality, sixteen at once: done or 429, in at most 100 MB', async () => {
    const formats = ['png', 'jpeg', 'webp'] as const;
    const files = await Promise.all(
      formats.map((format) => noise(400, 400).toFormat(format, { quality: 100 }).toBuffer()),
    );
    for (const file of files)
      for (const format of formats) {
        const response = await worker.post(file, `?quality=100&format=${format}`);
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
    const statuses = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const response = await worker.post(files[i % 3], '?quality=100');
        await response.arrayBuffer();
        return response.status;
      }),
    );
    const most = worker.memory().most - empty;
    console.log(
      `examples/cloudflare-worker: ${most.toFixed(0)} MB at most, over the ${empty.toFixed(0)} of an empty worker`,
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(most).toBeLessThanOrEqual(100);
  }, 120_000);

  test('a larger one is refused with the limit, before it is decoded', async () => {
    const response = await worker.post(
      await sharp({ create: { width: 401, height: 400, channels: 3, background: '#abc' } })
        .png()
        .toBuffer(),
    );
    expect(response.status).toBe(413);
    expect(await response.json()).toEqual({
      error: {
        code: 'ImageTooLarge',
        message: 'Expected a result of at most 640000 pixels, got 401x400 at scale 2: 641600',
        limit: 640_000,
      },
    });
  });
});
