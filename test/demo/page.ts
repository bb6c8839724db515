// The demo built and served, and what its tests do in it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDemo } from '../../scripts/demo.js';
import { serve } from '../../scripts/serve.js';
import type { Tab, TabOptions, Tabs } from './tabs.js';

export interface Site {
  readonly built: Awaited<ReturnType<typeof buildDemo>>;
  /** Of the page: not at the root of its site, its paths are relative. */
  readonly url: string;
  close(): Promise<void>;
}

export async function serveDemo(): Promise<Site> {
  const root = await mkdtemp(join(tmpdir(), 'carafe-web-demo-'));
  const built = await buildDemo(join(root, 'deep'));
  const site = await serve(root);
  const close = async (): Promise<void> => {
    await site.close();
    await rm(root, { recursive: true });
  };
  return { built, url: `${site.origin}/deep/`, close };
}

export const text = (tab: Tab, id: string): Promise<string> =>
  tab.evaluate((name) => document.getElementById(name)!.textContent!.replaceAll('\u00a0', ' ').trim(), id);
export const attribute = (tab: Tab, id: string, name: string): Promise<string | null> =>
  tab.evaluate(([element, key]) => document.getElementById(element)!.getAttribute(key), [id, name] as const);
export const click = (tab: Tab, selector: string): Promise<void> =>
  tab.evaluate((css) => document.querySelector<HTMLElement>(css)!.click(), selector);
/** A result is there, and is a file. */
export const finished = (tab: Tab, name = ''): Promise<unknown> =>
  tab.until((part) => document.querySelector<HTMLAnchorElement>('#download[href]')?.download.includes(part), name);

export async function opened({ url }: Site, tabs: Tabs, options?: TabOptions): Promise<Tab> {
  const tab = await tabs.open(options);
  await tab.goto(url);
  await finished(tab);
  return tab;
}

/** Chooses files that are made in the page: pictures of a size, or something else. */
export function choose(
  tab: Tab,
  files: { name: string; width?: number; height?: number; text?: string }[],
): Promise<void> {
  return tab.evaluate(async (wanted) => {
    const transfer = new DataTransfer();
    for (const { name, width = 0, height = 0, text: words } of wanted) {
      if (words !== undefined) transfer.items.add(new File([words], name, { type: 'text/plain' }));
      else {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext('2d')!;
        for (let x = 0; x < width; x += 16) {
          context.fillStyle = `hsl(${x % 360} 80% 50%)`;
          context.fillRect(x, 0, 8, height);
        }
        transfer.items.add(new File([await canvas.convertToBlob()], name, { type: 'image/png' }));
      }
    }
    const input = document.getElementById('file') as HTMLInputElement;
    input.files = transfer.files;
    input.dispatchEvent(new Event('change'));
  }, files);
}

/** RGBA of the stage at a share of its width and height. */
export function pixel(tab: Tab, x: number, y: number): Promise<number[]> {
  return tab.evaluate(
    async (at) => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const canvas = document.getElementById('canvas') as HTMLCanvasElement;
      const copy = new OffscreenCanvas(1, 1).getContext('2d')!; // reading the canvas itself would make the browser warn
      copy.drawImage(canvas, Math.floor(at.x * canvas.width), Math.floor(at.y * canvas.height), 1, 1, 0, 0, 1, 1);
      return [...copy.getImageData(0, 0, 1, 1).data];
    },
    { x, y },
  );
}
