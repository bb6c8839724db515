// The conformance suite in Firefox on lavapipe: another engine for wasm, naga and wgpu for WebGPU, with shader-f16.
import { fileURLToPath } from 'node:url';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveBundles, type Site } from '../chromium.js';
import { launchFirefox } from '../firefox.js';
import type { Report } from './browser/run.js';
import { reportedTests } from './reported.js';
import { halfTestNames, testNames } from './suite.js';

const entry = (name: string): string => fileURLToPath(new URL(`./browser/${name}.ts`, import.meta.url));
const AT_ONCE = 16; // a submit and its readback take Firefox 100 ms, most of them asleep

let site: Site | undefined;
let browser: Browser | undefined;

beforeAll(async () => {
  site = await serveBundles({ page: entry('page'), worker: entry('worker') });
  browser = await launchFirefox({ webgpu: true });
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

for (const [backend, thread] of [
  ['wasm-simd', 'worker'],
  ['wasm-relaxed', 'worker'],
  ['webgpu', 'page'],
  ['webgpu-f16', 'worker'],
] as const) {
  const names = backend === 'webgpu-f16' ? halfTestNames : testNames;

  describe(`${backend} in a ${thread} of Firefox`, () => {
    let report: Report;

    beforeAll(async () => {
      const page = await browser!.newPage();
      await page.goto(site!.origin);
      await page.waitForFunction(() => 'conformance' in window);
      report = await page.evaluate(
        (name, where, atOnce) => window.conformance(name, where, atOnce),
        backend,
        thread,
        AT_ONCE,
      );
      await page.close();
    });

    it('ran there, all of it', () => {
      expect(report.thread).toBe(thread);
      expect(report.details).toMatch(
        { 'wasm-simd': /^simd$/, 'wasm-relaxed': /^relaxed-simd$/, webgpu: /./, 'webgpu-f16': /, f16$/ }[backend],
      );
      expect(report.results.map(({ name }) => name)).toEqual(names);
    });

    reportedTests(names, () => report.results);
  });
}
