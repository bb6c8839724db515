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

/** Records a second of a moving square, and opens it. */
export function openClip(tab: Tab, width: number, height: number): Promise<void> {
  return tab.evaluate(
    async (size) => {
      const canvas = Object.assign(document.createElement('canvas'), size);
      const context = canvas.getContext('2d')!;
      let x = 0;
      const drawing = setInterval(() => {
        context.fillStyle = '#26f';
        context.fillRect(0, 0, size.width, size.height);
        context.fillStyle = '#fd2';
        context.fillRect(x++ % size.width, 8, 8, 8);
      }, 40);
      const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' });
      const recorded = new Promise<Blob>((resolve) => {
        recorder.ondataavailable = ({ data }) => resolve(data);
      });
      recorder.start();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      recorder.stop();
      const transfer = new DataTransfer();
      transfer.items.add(new File([await recorded], 'clip.webm', { type: 'video/webm' }));
      clearInterval(drawing);
      const input = document.getElementById('file') as HTMLInputElement;
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    },
    { width, height },
  );
}

/** Frames were shown, and said so. */
export const counted = (tab: Tab): Promise<unknown> =>
  tab.until(() => /^\d+(\.\d)? frames\/s, \d+ dropped$/.test(document.getElementById('rate')!.textContent!), undefined);

/** RGBA of the stage, 8 pixels to each side of the divider. */
export function besideDivider(tab: Tab): Promise<{ left: number[]; right: number[] }> {
  return tab.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const canvas = document.getElementById('canvas') as HTMLCanvasElement;
    const copy = new OffscreenCanvas(canvas.width, 1).getContext('2d')!;
    copy.drawImage(canvas, 0, Math.round(canvas.height * 0.7), canvas.width, 1, 0, 0, canvas.width, 1);
    const { data } = copy.getImageData(0, 0, canvas.width, 1);
    const at = (x: number): number[] => [...data.slice(4 * x, 4 * x + 4)];
    return { left: at(Math.round(canvas.width / 2) - 8), right: at(Math.round(canvas.width / 2) + 8) };
  }, undefined);
}
