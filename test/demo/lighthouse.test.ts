// Lighthouse's marks for the demo, by its settings for desktops: those for phones count this machine's load four times.
import lighthouse from 'lighthouse';
import desktop from 'lighthouse/core/config/desktop-config.js';
import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { freePort } from '../dist/free-port.js';
import { serveDemo } from './page.js';

it('Lighthouse: 100 of accessibility, best practices and SEO, 90 or more of performance', async () => {
  const site = await serveDemo();
  const port = await freePort();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', `--remote-debugging-port=${port}`],
  });
  try {
    const result = await lighthouse(site.url, { port, logLevel: 'error' }, desktop);
    const marks = Object.values(result!.lhr.categories).map(({ id, score }) => [id, Math.round(100 * score!)]);
    expect(Object.fromEntries(marks)).toEqual({
      performance: expect.toSatisfy((mark: number) => mark >= 90),
      accessibility: 100,
      'best-practices': 100,
      seo: 100,
    });
  } finally {
    await browser.close();
    await site.close();
  }
});
