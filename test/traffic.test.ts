// How many dispatches a CARAFE module and an upscaled tile are, and how many bytes they move against what their layers
// must (bench/traffic.ts).
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { moduleTraffic, tileTraffic } from '../bench/traffic.js';
import { operators } from '../bench/shapes.js';
import { nodeGpuDevice } from './backends.js';

let device: GPUDevice;
beforeAll(async () => {
  device = await nodeGpuDevice();
});
const model = (name: string): Uint8Array => readFileSync(new URL(`../models/${name}.safetensors`, import.meta.url));
const mode = { half: false, hardware: true };

describe('a CARAFE module', () => {
  test.each(operators)('$name: 3 dispatches, no byte beyond its layers but padding', (shape) => {
    const { dispatches, bytes, layers } = moduleTraffic(device, shape, mode);
    expect(dispatches.map(({ what }) => what.split('.')[0])).toEqual(['conv2d', 'carafe-pack', 'reassemble']);
    expect(bytes).toBeGreaterThanOrEqual(layers);
    if (shape.cMid % 4 === 0 && shape.scale % 2 === 0 && shape.c % 4 === 0) expect(bytes).toBe(layers);
    else expect(bytes).toBeLessThan(1.3 * layers);
  });

  test('C=256 50x50: the bytes of each dispatch, by hand', () => {
    const [pixels, weights] = [2500 * 4, 4];
    expect(moduleTraffic(device, operators[0], mode).dispatches.map(({ read, written }) => [read, written])).toEqual([
      [256 * pixels + 64 * 257 * weights, 64 * pixels],
      [64 * pixels + 100 * 577 * weights, 100 * pixels],
      [256 * pixels + 100 * pixels, 4 * 256 * pixels],
    ]);
  });
});

describe('a tile of 256x256', () => {
  // At x4 the bicubic luma, written and read, is as much as two layers of the small network.
  test.each([
    { name: 'base-x2', body: 5, compress: 1 },
    { name: 'small-x2', body: 5, compress: 0 },
    { name: 'large-x2', body: 12, compress: 1 },
    { name: 'base-x4', body: 5, compress: 1 },
    { name: 'small-x4', body: 5, compress: 1 },
    { name: 'large-x4', body: 4, compress: 1 },
  ])(
    '$name: a dispatch for each convolution and six more, at most 1.3 times what the layers must move',
    ({ name, body, compress }) => {
      const { dispatches, bytes, layers } = tileTraffic(device, model(name), name, 256, mode);
      const convolutions = dispatches.filter(
        ({ what }) => what.startsWith('conv2d') || what.startsWith('reassemble-sum'),
      );
      expect(convolutions.length).toBe(1 + body + 1 + compress + 1); // head, body, maps, compress, encode
      expect(dispatches.length).toBe(convolutions.length + 6); // planes, bicubic luma, two for gains, colour lines, pixels
      expect(bytes / layers).toBeGreaterThan(1);
      expect(bytes / layers).toBeLessThanOrEqual(1.3);
    },
  );
});

test('a frame by counting (bench/frame.js): every model has a row, and base x2 is its multiply-adds and halos', () => {
  const script = fileURLToPath(new URL('../bench/frame.js', import.meta.url));
  const [frame, ...programs] = execFileSync(process.execPath, [script], { encoding: 'utf8' }).split('\n\n');
  expect(programs.join().match(/\d+ dispatches/g)).toEqual(['3 dispatches', '15 dispatches']);
  const rows = frame.split('\n').slice(2);
  expect(rows.length).toBe(
    readdirSync(new URL('../models/', import.meta.url)).filter((name) => name.endsWith('.safetensors')).length,
  );
  const [, gflop, gb, ms] = rows
    .map((row) => row.split('|').slice(1).map(Number))
    .find((_, i) => rows[i].includes('base-x2'))!;
  const network = (2 * 13_688 * 1920 * 1080) / 1e9; // README.md: multiply-adds per pixel
  expect(gflop / network).toBeGreaterThan(1);
  expect(gflop / network).toBeLessThan(1.1);
  expect(ms).toBeGreaterThanOrEqual(Math.max(gflop, (gb / 50) * 1000));
});
