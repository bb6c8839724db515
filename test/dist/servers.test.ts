// examples/node-server in Node (worker threads), Deno and Bun: 200 requests, 16 at once, on loopback. Each is answered
// with the picture, or with 429 and then asked again; memory does not grow.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { example } from './example.js';
import { freePort } from './free-port.js';
import { pack, type Tarball } from './tarball.js';
import { bun, DENO, TOOLS } from './tools.js';

const root = new URL('../..', import.meta.url).pathname;
const [REQUESTS, AT_ONCE, SIDE] = [200, 16, 96];

let tarball: Tarball;
let folder: string;
let file: Buffer;
let running: ChildProcess | undefined;
beforeAll(async () => {
  ensurePackages(TOOLS);
  tarball = pack();
  folder = example(tarball, 'node-server');
  file = await sharp(join(root, 'test/images/car.png')).resize(SIDE, SIDE).jpeg().toBuffer();
}, 600_000);
afterAll(() => {
  running?.kill('SIGKILL');
  tarball?.remove();
});

test.each([
  ['node', () => [process.execPath, 'server.js'], 2],
  ['deno serve', () => [DENO, 'serve', '-A', '--port', 'PORT', 'fetch.js'], 1],
  ['bun', () => [bun(), 'fetch.js'], 1],
] as const)('%s: nothing lost, 429 when full, memory flat', { timeout: 120_000 }, async (name, command, cores) => {
  const port = String(await freePort());
  const [program, ...args] = command().map((part) => part.replace('PORT', port));
  const env = { ...process.env, NODE_OPTIONS: '', PORT: port, THREADS: String(cores) };
  running = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}/upscale?format=webp`;
  const ask = (): Promise<Response> => fetch(url, { method: 'POST', body: new Uint8Array(file) });
  for (
    let tries = 0;
    !(await ask().then(
      ({ ok }) => ok,
      () => false,
    ));
    tries++
  ) {
    if (tries === 300) throw new Error(`${name} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const times: number[] = [];
  const memory: number[] = [];
  const results = new Set<string>();
  let [left, refused] = [REQUESTS, 0];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) {
        const begun = performance.now();
        for (;;) {
          const response = await ask();
          const body = Buffer.from(await response.arrayBuffer());
          if (response.status === 200) {
            results.add(body.toString('base64'));
            break;
          }
          expect(response.status).toBe(429);
          refused++;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        times.push(performance.now() - begun);
        memory.push(residentMegabytes(running!.pid!));
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number): string => times[Math.floor(share * (REQUESTS - 1))].toFixed(0);
  const half = Math.max(...memory.slice(0, REQUESTS / 2));
  const whole = Math.max(...memory);
  console.log(
    `${name}: ${(REQUESTS / seconds / cores).toFixed(1)} pictures a second and core (${SIDE}x${SIDE} JPEG to WebP), p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${refused} times 429, ${half.toFixed(0)} MB after half, ${whole.toFixed(0)} MB at most`,
  );
  running.kill('SIGKILL');
  expect(times).toHaveLength(REQUESTS);
  expect(results.size).toBe(1); // each answer is the picture, to the byte
  expect(await sharp(Buffer.from([...results][0], 'base64')).metadata()).toMatchObject({
    width: 2 * SIDE,
    format: 'webp',
  });
  if (cores === 1) expect(refused).toBeGreaterThan(0); // 9 places for 16
  expect(whole).toBeLessThan(1.25 * half);
});

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
