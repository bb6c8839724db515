// Videos in the demo, in Chromium: a clip that is recorded in the page, and Chromium's own fake camera.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WEBGPU_CANVAS } from '../chromium.js';
import { click, finished, opened, serveDemo, type Site, text } from './page.js';
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

/** Records a second of a moving square, and opens it. */
function openClip(tab: Tab, width: number, height: number): Promise<void> {
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

const counted = (tab: Tab): Promise<unknown> =>
  tab.until(() => /^\d+(\.\d)? frames\/s, \d+ dropped$/.test(document.getElementById('rate')!.textContent!), undefined);

/** RGBA of the stage, 8 pixels to each side of the divider. */
function besideDivider(tab: Tab): Promise<{ left: number[]; right: number[] }> {
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

it('a clip: its frames are enlarged and counted, it pauses, and its end brings the picture back', () =>
  inTab(ASKS, async (tab) => {
    await openClip(tab, 160, 120);
    await counted(tab);
    expect(await text(tab, 'size')).toBe('160 × 120 → 320 × 240');
    expect(await text(tab, 'status')).toMatch(/^320 × 240: tiny on wasm \(/);
    const { left, right } = await besideDivider(tab);
    for (const side of [left, right]) {
      expect(side[2]).toBeGreaterThan(side[0] + 100); // the blue of the clip
      expect(side[3]).toBe(255);
    }
    expect(await axe(tab)).toEqual([]);

    await click(tab, '#pause');
    expect(await text(tab, 'pause')).toBe('Play');
    const shown = await text(tab, 'rate');
    await click(tab, '[name="scale"][value="3"]'); // the frame that is shown, anew
    await tab.until(() => /^480 × 360: tiny/.test(document.getElementById('status')!.textContent!), undefined);
    expect(await text(tab, 'rate')).toBe('');
    await click(tab, '#pause');
    await counted(tab);
    expect(shown).not.toBe('');

    await tab.press('Escape');
    await finished(tab, 'cat@3x');
    expect(await text(tab, 'status')).toMatch(/: base on wasm/); // what was chosen for pictures
  }));

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
