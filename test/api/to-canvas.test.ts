// toCanvas() and frames() in a real Chromium: on wasm, and on WebGPU (SwiftShader), where nothing is read back.
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Browser, launchChromium, serveBundles, type Site } from '../chromium.js';
import type { Outcome } from './browser/to-canvas.js';

let site: Site;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  site = await serveBundles({ page: fileURLToPath(new URL('./browser/to-canvas.ts', import.meta.url)) });
  browser = await launchChromium({ canvas: true });
  page = await browser.context.newPage();
  await page.goto(site.origin);
  await page.waitForFunction(() => 'paint' in window);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

it.each([
  ['wasm', 52, 40, 0],
  ['webgpu', 52, 40, 1], // rows of a texture are 64 pixels; the backends agree within 1
  ['webgpu', 64, 37, 1],
] as const)('draws what upscale() makes, on %s, of %i x %i', async (backend, width, height, bound) => {
  const outcome: Outcome = await page.evaluate(([name, w, h]) => window.paint(name, w, h), [
    backend,
    width,
    height,
  ] as const);
  const size = `${2 * width}x${2 * height}`;
  expect(outcome).toEqual({
    worst: expect.any(Number),
    size: [2 * width, 2 * height],
    timestamps: [0, 1000, 2000, 3000, 4000],
    frameSizes: [size, size, size, size, size],
    ahead: expect.any(Number),
    again: 'InvalidOption',
  });
  expect(outcome.worst).toBeLessThanOrEqual(bound);
  expect(outcome.ahead).toBeLessThanOrEqual(2); // of 5: the stream waits for its reader
});

it.each(['wasm', 'webgpu'] as const)(
  'refuses with a code what cannot be drawn, and keeps display-p3’s colours, on %s',
  async (backend) => {
    const { codes, red } = await page.evaluate((name) => window.oddities(name), backend);
    expect(codes).toEqual({
      'no canvas': 'InvalidOption',
      'a selector': 'InvalidOption',
      'a canvas that has moved': 'InvalidOption',
      'a result wider than canvases': 'ImageTooLarge',
      'a frame that is none': 'UnsupportedImage',
      'frames of wrong options': 'InvalidOption',
      'frames after dispose': 'Disposed',
    });
    for (const [i, want] of [200, 60, 40].entries()) expect(Math.abs(red[i] - want)).toBeLessThanOrEqual(3); // 11 without
  },
);
