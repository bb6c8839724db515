// Videos in the demo, further (demo.test.ts plays a clip): on WebGPU, from Chromium's own fake camera, and none.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WEBGPU_CANVAS } from '../chromium.js';
import { besideDivider, click, counted, finished, openClip, opened, serveDemo, type Site, text } from './page.js';
import { axe, chromiumTabs, type Tab, type Tabs } from './tabs.js';

const ALLOWED = '--use-fake-ui-for-media-stream';
const CAMERA = '--use-fake-device-for-media-stream';
const [ASKS, HAS_CAMERA, HAS_GPU] = [[CAMERA], [CAMERA, ALLOWED], [...WEBGPU_CANVAS, ALLOWED]]; // the last has no camera

let site: Site;
beforeAll(async () => {
  site = await serveDemo();
});
afterAll(() => site?.close());

const browsers = new Map<string, Promise<Tabs>>();
afterAll(() => Promise.all([...browsers.values()].map(async (tabs) => (await tabs).close())));

/** In a page of its own, that complains of nothing. */
async function inTab(flags: readonly string[], run: (tab: Tab) => Promise<void>): Promise<void> {
  const key = flags.join();
  if (!browsers.has(key)) browsers.set(key, chromiumTabs(...flags));
  const tab = await opened(site, await browsers.get(key)!);
  await run(tab);
  expect(tab.complaints).toEqual([]);
  await tab.close();
}

it('a clip on WebGPU: drawn where it was made', () =>
  inTab(HAS_GPU, async (tab) => {
    // A software adapter stands in for a GPU: 'auto' would leave it.
    await click(tab, '[name="effort"][value="tiny"]');
    await finished(tab);
    await tab.evaluate(() => {
      const input = document.querySelector<HTMLInputElement>('[name="backend"][value="webgpu"]')!;
      input.disabled = false;
      input.checked = true;
    }, undefined);
    await openClip(tab, 32, 24);
    await tab.until(() => document.getElementById('rate')!.textContent, undefined);
    expect(await text(tab, 'status')).toMatch(/^64 × 48: tiny on webgpu \(/);
    const { right } = await besideDivider(tab);
    expect(right[2]).toBeGreaterThan(right[0] + 100);
  }));

it('the camera: enlarged, a frame of it becomes a picture, and it is let go', () =>
  inTab(HAS_CAMERA, async (tab) => {
    await tab.evaluate(() => {
      const { getUserMedia } = MediaDevices.prototype;
      MediaDevices.prototype.getUserMedia = async function (constraints) {
        const stream = await getUserMedia.call(this, constraints);
        Object.assign(window, { track: stream.getTracks()[0] });
        return stream;
      };
    }, undefined);
    const live = (): Promise<string> =>
      tab.evaluate(() => (window as unknown as { track: MediaStreamTrack }).track.readyState, undefined);
    await click(tab, '#camera');
    await counted(tab);
    expect(await text(tab, 'size')).toBe('640 × 480 → 1280 × 960');
    expect(await live()).toBe('live');
    await click(tab, '#take-frame');
    await finished(tab, 'Camera@2x');
    expect(await live()).toBe('ended');
    await click(tab, '#camera');
    await counted(tab);
    await click(tab, '#stop-video');
    await finished(tab, 'Camera@2x'); // the picture from before
    expect(await live()).toBe('ended');
  }));

it.each([
  ['refused', ASKS, /^The camera was not allowed.*Allow it for this page.*Try againOpen another$/],
  ['missing', HAS_GPU, /^No camera was found.*Connect one.*Try againOpen another$/],
])('a camera that is %s: says what to do', (_, flags, card) =>
  inTab(flags, async (tab) => {
    await click(tab, '#camera');
    await tab.until(() => document.querySelector('.card'), undefined);
    expect(await text(tab, 'cards')).toMatch(card);
    expect(await axe(tab)).toEqual([]);
  }),
);

it('a video that does not play: says which do', () =>
  inTab(ASKS, async (tab) => {
    await tab.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['no video'], 'clip.mov', { type: 'video/quicktime' }));
      const input = document.getElementById('file') as HTMLInputElement;
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    }, undefined);
    await tab.until(() => document.querySelector('.card'), undefined);
    expect(await text(tab, 'cards')).toMatch(/^“clip\.mov” is not a video this browser can play.*MP4 with H\.264/);
  }));
