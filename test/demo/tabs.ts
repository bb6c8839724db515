// One way to drive a page in Chromium (Playwright) and in Firefox (Puppeteer, WebDriver BiDi), for the tests of the
// demo.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser as PlaywrightBrowser, chromium } from 'playwright-core';
import { launchFirefox } from '../firefox.js';

export interface Tab {
  goto(url: string): Promise<unknown>;
  evaluate<T, A>(run: (argument: A) => T | Promise<T>, argument: A): Promise<T>;
  /** @throws after 20 s in which `run` was never true */
  until<A>(run: (argument: A) => unknown, argument: A): Promise<unknown>;
  /** A script, whatever the page's own policy says. */
  run(source: string): Promise<unknown>;
  press(key: string): Promise<void>;
  /** Its places are CSS pixels of the window. */
  readonly mouse: {
    move(x: number, y: number): Promise<void>;
    down(): Promise<void>;
    up(): Promise<void>;
  };
  /** Errors and warnings of the console, of scripts, and requests that failed. */
  readonly complaints: string[];
  close(): Promise<void>;
}

export interface TabOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
}

export interface Tabs {
  /** In a profile of its own. */
  open(options?: TabOptions): Promise<Tab>;
  close(): Promise<void>;
}

const TIMEOUT = 20_000;
/** Chromium's own words on any page that asks for a GPU where there is none. */
const NO_GPU = 'No available adapters.';

export async function chromiumTabs(...flags: string[]): Promise<Tabs> {
  const browser: PlaywrightBrowser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', ...flags],
  });
  return {
    async open({ width = 1280, height = 800, scheme = 'dark' } = {}) {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (message.text() === NO_GPU) return;
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('requestfailed', (request) => complaints.push(`${request.failure()?.errorText}: ${request.url()}`));
      return {
        goto: (url) => page.goto(url),
        evaluate: (run, argument) => page.evaluate(run as never, argument) as never,
        until: (run, argument) => page.waitForFunction(run as never, argument, { timeout: TIMEOUT }),
        run: (source) => page.evaluate(source),
        press: (key) => page.keyboard.press(key),
        mouse: page.mouse,
        complaints,
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

export async function firefoxTabs(): Promise<Tabs> {
  const browser = await launchFirefox();
  return {
    async open({ width = 1280, height = 800 } = {}) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      await page.setViewport({ width, height });
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push((error as Error).message));
      return {
        goto: (url) => page.goto(url),
        evaluate: (run, argument) => page.evaluate(run as never, argument) as never,
        until: (run, argument) => page.waitForFunction(run as never, { timeout: TIMEOUT }, argument),
        run: (source) => page.evaluate(source),
        press: (key) => page.keyboard.press(key as 'Escape'),
        mouse: page.mouse,
        complaints,
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the page as it is now, one line each. */
export async function axe(tab: Tab): Promise<string[]> {
  if (!(await tab.evaluate(() => 'axe' in window, undefined))) await tab.run(AXE);
  return tab.evaluate(async () => {
    const { violations } = await (window as any).axe.run(document, { resultTypes: ['violations'] });
    return violations.map(
      ({ id, nodes }: { id: string; nodes: { html: string; failureSummary: string }[] }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
    );
  }, undefined);
}
