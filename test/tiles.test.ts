// What decides the size of tiles, and whether an image is opaque.
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { isOpaque } from '../src/engine/alpha.js';
import { loadCarafeLuma } from '../src/engine/networks/carafe-luma.js';
import { LARGEST_TILE, TILE } from '../src/engine/tiles.js';
import { tileHalo, tileSide, upscaler } from '../src/engine/upscaler.js';
import { parseSafetensors } from '../src/models/safetensors.js';
import { wasmSimd } from './backends.js';

const model = new Uint8Array(readFileSync(new URL('../models/tiny-x2.safetensors', import.meta.url)));
const backend = await wasmSimd.open();

describe('the side of a tile', () => {
  const net = loadCarafeLuma(backend, parseSafetensors(model));
  const channels = net.head.cOut;

  test('of a quick GPU with memory is the largest there is', () => {
    expect(tileSide(net, 2 ** 27, 1.5)).toBe(LARGEST_TILE);
  });

  test('of a quick GPU with little memory is what fits, with its halo', () => {
    const largestTensor = 2 ** 21;
    const side = tileSide(net, largestTensor, 1.5);
    expect(side).toBeGreaterThan(TILE);
    expect((side + 2 * tileHalo(net, true).inner) ** 2 * channels).toBeLessThanOrEqual(largestTensor);
  });

  test('of a slow GPU is what it does in 0.1 s, and never less than on wasm', () => {
    expect(tileSide(net, 2 ** 27, 25)).toBe(2 * TILE);
    expect(tileSide(net, 2 ** 27, 400)).toBe(TILE);
  });

  test('is measured where a backend says how large tensors may be, and nowhere else', async () => {
    expect(upscaler.open(backend, { model })).not.toHaveProperty('measure');
    const roomy = Object.assign(await wasmSimd.open(), { largestTensor: 2 ** 27 });
    expect(upscaler.open(roomy, { model, tile: 100 })).not.toHaveProperty('measure');
    const { measure } = upscaler.open(roomy, { model }) as { measure(): Promise<{ tile: number }> };
    for (const [step, side] of [
      [10, LARGEST_TILE], // ms, whatever the size: what a tile costs is not its pixels
      [30, TILE], // too slow at 64 to try 256
    ]) {
      let now = 0;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += step));
      expect(await measure()).toMatchObject({ tile: side });
      clock.mockRestore();
    }
  });
});

test('one pixel that is not opaque is found, wherever it is and however the bytes lie', () => {
  for (const pixels of [1, 7, 8, 9, 20]) {
    for (const offset of [0, 1, 4]) {
      const bytes = new Uint8ClampedArray(new ArrayBuffer(offset + 4 * pixels), offset).fill(255);
      for (let i = 0; i < bytes.length; i++) bytes[i] = i % 4 === 3 ? 255 : i;
      expect(isOpaque(bytes)).toBe(true);
      for (let i = 3; i < bytes.length; i += 4) {
        bytes[i] = 254;
        expect(isOpaque(bytes)).toBe(false);
        bytes[i] = 255;
      }
    }
  }
});
