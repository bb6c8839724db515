// The conformance suite in Chromium: every backend, in the page and in a module worker.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, launchChromium, serveBundles, type Site } from '../chromium.js';
import type { Report } from './browser/run.js';
import { reportedTests } from './reported.js';
import { testNames } from './suite.js';

const entry = (name: string): string => fileURLToPath(new URL(`./browser/${name}.ts`, import.meta.url));

let site: Site | undefined;
let browser: Browser | undefined;

beforeAll(async () => {
  site = await serveBundles({ page: entry('page'), worker: entry('worker') });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

for (const thread of ['page', 'worker'] as const) {
  for (const backend of ['wasm-simd', 'wasm-relaxed', 'webgpu'] as const) {
    describe(`${backend} in a ${thread} of Chromium`, () => {
      let report: Report;

      beforeAll(async () => {
        const page = await browser!.context.newPage();
        await page.goto(site!.origin);
        await page.waitForFunction(() => 'conformance' in window);
        report = await page.evaluate(([name, where]) => window.conformance(name, where), [backend, thread] as const);
        await page.close();
      });

      it('ran there, all of it', () => {
        expect(report.thread).toBe(thread);
        expect(report.details).toMatch(
          backend === 'webgpu' ? /./ : backend === 'wasm-simd' ? /^simd$/ : /^relaxed-simd$/,
        );
        expect(report.results.map(({ name }) => name)).toEqual(testNames);
      });

      reportedTests(testNames, () => report.results);
    });
  }
}
