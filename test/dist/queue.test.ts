// examples/queue on a Redis of its own: two workers, of which one is killed in the middle of a picture.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createUpscaler } from 'carafe-web';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { example } from './example.js';
import { freePort } from './free-port.js';
import { pack, type Tarball } from './tarball.js';

const PICTURES = 8;
const tools = new URL('./apps/', import.meta.url).pathname;
const started: ChildProcess[] = [];
let tarball: Tarball;
let folder: string;

beforeAll(async () => {
  ensurePackages(tools);
  tarball = pack();
  folder = example(tarball, 'queue');
  for (const name of ['from', 'to']) mkdirSync(join(folder, name));
  for (let i = 0; i < PICTURES; i++)
    await sharp({
      create: {
        width: 700,
        height: 500,
        channels: 3,
        background: '#000',
        noise: { type: 'gaussian', mean: 100 + i, sigma: 20 },
      },
    })
      .blur(1)
      .png()
      .toFile(join(folder, `from/${i}.png`));
}, 600_000);
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  tarball?.remove();
});

function start(command: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  return child;
}

/** Resolves with what it has written when `pattern` is in it, or when it has ended. */
function said(child: ChildProcess, pattern: RegExp | 'all'): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout!.on('data', (data) => {
      text += data;
      if (pattern !== 'all' && pattern.test(text)) resolve(text);
    });
    child.once('exit', () => resolve(text));
  });
}

test('one of two workers is killed in the middle of a picture: every picture is there once and whole', async () => {
  const port = await freePort();
  const redis = start('/usr/bin/redis-server', ['--port', String(port), '--save', '', '--dir', folder]);
  await said(redis, /Ready to accept/);
  const env = { REDIS: `redis://127.0.0.1:${port}`, LOCK: '2000' };
  const [first, second] = [0, 1].map(() => start(process.execPath, ['worker.js'], env));
  await Promise.all([said(first, /ready/), said(second, /ready/)]);
  const add = start(process.execPath, ['add.js', 'from', 'to'], env);
  const output = said(add, 'all');
  await said(add, /done/);
  first.kill('SIGKILL'); // the others have work for seconds: it is in the middle of some
  const lines = (await output).trim().split('\n');
  expect(lines.map((line) => /to\/(\d+)@2x/.exec(line)?.[1]).sort()).toEqual(
    Array.from({ length: PICTURES }, (_, i) => String(i)),
  );
  expect(lines.every((line) => line.startsWith('done'))).toBe(true);
  expect(
    readdirSync(join(folder, 'to'))
      .filter((name) => !name.endsWith('.part'))
      .sort(),
  ).toEqual(Array.from({ length: PICTURES }, (_, i) => `${i}@2x.png`));
  const upscaler = await createUpscaler({
    backend: 'wasm',
    wasm: new URL('../../dist/carafe-simd.wasm', import.meta.url),
  }); // as in Node without flags
  for (let i = 0; i < PICTURES; i++) {
    const { data } = await sharp(join(folder, `from/${i}.png`))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const want = await upscaler.upscale({ data, width: 700, height: 500 });
    const got = await sharp(readFileSync(join(folder, `to/${i}@2x.png`)))
      .ensureAlpha()
      .raw()
      .toBuffer();
    expect(got.equals(Buffer.from(want.data.buffer))).toBe(true);
  }
  upscaler.dispose();
  // what is there is not done again
  const again = start(process.execPath, ['add.js', 'from', 'to'], env);
  expect(await said(again, 'all')).toBe('');
}, 120_000);
