// The demo as a person uses it, in Chromium and Firefox, from the folder that `npm run demo:build` writes.
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../scripts/serve.js';
import {
  attribute,
  besideDivider,
  choose,
  click,
  counted,
  finished,
  openClip,
  opened,
  pixel,
  serveDemo,
  type Site,
  text,
} from './page.js';
import { axe, chromiumTabs, firefoxTabs, type Tab, type Tabs } from './tabs.js';

let site: Site;

beforeAll(async () => {
  site = await serveDemo();
});
afterAll(() => site?.close());

describe.each([
  ['Chromium', chromiumTabs],
  ['Firefox', firefoxTabs],
] as const)('the demo in %s', (_, launch) => {
  let tabs: Tabs;
  let tab: Tab;

  beforeAll(async () => {
    tabs = await launch();
    tab = await opened(site, tabs);
  });
  afterAll(() => tabs?.close());

  it('opens with a result', async () => {
    expect(await text(tab, 'status')).toMatch(/^902 × 600 in .+: base on wasm \(/);
    expect(await text(tab, 'download')).toMatch(/^Download cat@2x\.webp, \d+ kB$/);
    const size = await tab.evaluate(async () => {
      const link = document.querySelector<HTMLAnchorElement>('#download')!;
      const bitmap = await createImageBitmap(await (await fetch(link.href)).blob());
      return [bitmap.width, bitmap.height];
    }, undefined);
    expect(size).toEqual([902, 600]);
    expect(await axe(tab)).toEqual([]);
  });

  it('a clip: its frames are enlarged and counted, it pauses, and its end brings the picture back', async () => {
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
    await click(tab, '[name="scale"][value="2"]');
    await finished(tab, 'cat@2x');
  });

  it('zooms by buttons, keys and wheel', async () => {
    await click(tab, '[data-zoom="2"]');
    expect(await text(tab, 'percent')).toBe('200 %');
    await tab.evaluate(() => document.getElementById('view')!.focus(), undefined);
    await tab.press('4');
    expect(await text(tab, 'percent')).toBe('400 %');
    await tab.press('-');
    expect(await text(tab, 'percent')).toBe('320 %');
    const before = await pixel(tab, 0.25, 0.5);
    for (let i = 0; i < 6; i++) await tab.press('ArrowRight');
    expect(await pixel(tab, 0.25, 0.5)).not.toEqual(before);
    await tab.evaluate(() => {
      const view = document.getElementById('view')!;
      view.dispatchEvent(new WheelEvent('wheel', { deltaY: -200, clientX: 300, clientY: 300, cancelable: true }));
    }, undefined);
    expect(await text(tab, 'percent')).toBe('477 %');
    await tab.press('0');
    expect(await tab.evaluate(() => document.querySelector('[data-zoom="fit"]')!.ariaPressed, undefined)).toBe('true');
  });

  it('moves the divider by keys, and says where it is', async () => {
    await tab.evaluate(() => document.getElementById('grip')!.focus(), undefined);
    await tab.press('ArrowRight');
    expect(await attribute(tab, 'grip', 'aria-valuenow')).toBe('51');
    expect(await attribute(tab, 'grip', 'aria-valuetext')).toBe('Bicubic 51 %, CARAFE base 49 %');
    await tab.press('Home');
    expect(await attribute(tab, 'grip', 'aria-valuenow')).toBe('0');
    await tab.press('End');
    await tab.press('PageDown');
    expect(await attribute(tab, 'grip', 'aria-valuenow')).toBe('90');
  });

  it('the loupe: the weights of the pixel that arrow keys or the pointer choose', async () => {
    await click(tab, '#loupe');
    await tab.until(
      () => /^Pixel 631, 300: luma \d+, of \d+/.test(document.getElementById('loupe-text')!.textContent!),
      undefined,
    );
    await tab.evaluate(() => document.getElementById('view')!.focus(), undefined);
    await tab.press('ArrowLeft');
    await tab.until(() => /^Pixel 630, 300/.test(document.getElementById('loupe-text')!.textContent!), undefined);
    expect(await text(tab, 'loupe-text')).toMatch(/bicubic takes 16\.$/);
    const groups = await tab.evaluate(
      () => [...document.querySelectorAll('#groups canvas')].map((canvas) => canvas.getAttribute('aria-label')!),
      undefined,
    );
    expect(groups).toHaveLength(4);
    for (const group of groups) {
      const weights = group.match(/\d\.\d\d/g)!.map(Number);
      expect(weights).toHaveLength(9);
      expect(Math.abs(weights.reduce((sum, weight) => sum + weight) - 1)).toBeLessThan(0.05); // of rounding
    }
    expect(await axe(tab)).toEqual([]);
    await click(tab, '#loupe');
  });

  it("the dial: what auto found, and a place of one's own", async () => {
    await click(tab, '#samples button:nth-child(2)');
    await finished(tab, 'quality-40');
    expect(await text(tab, 'found')).toMatch(/^Found: JPEG, quality (3\d|4\d)\.$/); // browsers differ in what 0.4 is
    const shown = Number(await text(tab, 'restore-shown'));
    expect(shown).toBeGreaterThan(0.5);
    const before = await attribute(tab, 'download', 'href');
    await tab.evaluate(() => {
      const dial = document.getElementById('restore-value') as HTMLInputElement;
      dial.value = '0';
      for (const type of ['input', 'change']) dial.dispatchEvent(new Event(type));
    }, undefined);
    await tab.until((old) => (document.getElementById('download')!.getAttribute('href') ?? old) !== old, before);
    expect(await text(tab, 'restore-shown')).toBe('0.00');
    await click(tab, '#restore-auto');
    await tab.until((value) => document.getElementById('restore-shown')!.textContent === value, shown.toFixed(2));
  });

  it('draws both sides of a transparent picture on the checkerboard', async () => {
    await click(tab, '#samples button:nth-child(4)');
    await finished(tab, 'logo');
    const corners = await Promise.all([pixel(tab, 0.28, 0.04), pixel(tab, 0.72, 0.04)]);
    for (const corner of corners)
      expect([[255, 255, 255, 255].join(), [201, 201, 207, 255].join()]).toContain(corner.join());
  });

  it('ends at Escape, and begins again', async () => {
    await click(tab, '[name="effort"][value="large"]');
    await choose(tab, [{ name: 'wide.png', width: 900, height: 700 }]);
    await tab.until(
      () => !document.getElementById('progress')!.hidden && /wide/.test(document.getElementById('name')!.textContent!),
      undefined,
    );
    await tab.press('Escape');
    expect(await text(tab, 'status')).toBe('Cancelled.');
    expect(await axe(tab)).toEqual([]);
    await click(tab, '[name="effort"][value="tiny"]');
    await finished(tab, 'wide');
  });

  it('a file that is no picture: says so, and nothing of the old one is left', async () => {
    await choose(tab, [{ name: 'notes.txt', text: 'no picture' }]);
    await tab.until(() => document.querySelector('.card'), undefined);
    expect(await text(tab, 'cards')).toMatch(/“notes\.txt” is not a picture .*Save it as PNG, JPEG/);
    expect(await pixel(tab, 0.25, 0.5)).toEqual([0, 0, 0, 0]);
    expect(await attribute(tab, 'download', 'href')).toBeNull();
    expect(await axe(tab)).toEqual([]);
    await click(tab, '.card button:last-child'); // a sample
    await finished(tab, 'cat');
    expect(await tab.evaluate(() => document.querySelector('.card'), undefined)).toBeNull();
  });

  it('several files: a film strip, and one zip of all', async () => {
    await choose(tab, [
      { name: 'a.png', width: 40, height: 30 },
      { name: 'b.txt', text: 'no picture' },
      { name: 'c.png', width: 30, height: 40 },
    ]);
    await finished(tab, 'a@2x');
    await tab.until(
      () => /1 of 3: “b\.txt” is not a picture/.test(document.getElementById('status')!.textContent!),
      undefined,
    );
    await click(tab, '#film li:nth-child(2) button');
    await finished(tab, 'c@2x');
    expect(await axe(tab)).toEqual([]);
    await tab.evaluate(() => {
      const zips: Promise<string>[] = [];
      Object.assign(window, { zips });
      HTMLAnchorElement.prototype.click = function () {
        zips.push(
          fetch(this.href).then(async (response) =>
            [...new Uint8Array(await response.arrayBuffer())].map((byte) => String.fromCharCode(byte)).join(''),
          ),
        );
      };
    }, undefined);
    await click(tab, '#zip');
    await tab.until(
      () => /^2 pictures in enlarged@2x\.zip/.test(document.getElementById('status')!.textContent!),
      undefined,
    );
    const [zip] = await tab.evaluate(() => Promise.all((window as any).zips as Promise<string>[]), undefined);
    expect(Object.keys(unzipSync(Buffer.from(zip, 'latin1')))).toEqual(['a@2x.webp', 'c@2x.webp']);
  });

  it('has complained about nothing', () => {
    expect(tab.complaints).toEqual([]);
  });
});

describe('the demo in Chromium, further', () => {
  let tabs: Tabs;
  beforeAll(async () => {
    tabs = await chromiumTabs();
  });
  afterAll(() => tabs?.close());

  it.each([
    ['light', { scheme: 'light' }],
    ['on a phone', { width: 390, height: 844 }],
    ['320 pixels wide, light', { width: 320, height: 640, scheme: 'light' }],
  ] as const)('%s: axe finds nothing, nothing is cut off', async (_, options) => {
    const tab = await opened(site, tabs, options);
    expect(await axe(tab)).toEqual([]);
    if ('width' in options) {
      await click(tab, '#sheet');
      expect(await axe(tab)).toEqual([]);
      expect(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth, undefined)).toBe(true);
      expect(
        await tab.evaluate(
          () => document.getElementById('settings')!.scrollWidth <= document.getElementById('settings')!.clientWidth,
          undefined,
        ),
      ).toBe(true);
    }
    expect(tab.complaints).toEqual([]);
    await tab.close();
  });

  it('a sheet that was dragged up stays up', async () => {
    const tab = await opened(site, tabs, { width: 390, height: 844 });
    const { x, y } = await tab.evaluate(() => {
      const { left, top, width } = document.getElementById('sheet')!.getBoundingClientRect();
      return { x: left + width / 2, y: top + 10 };
    }, undefined);
    await tab.mouse.move(x, y);
    await tab.mouse.down();
    await tab.mouse.move(x, y - 60);
    await tab.mouse.up();
    expect(await attribute(tab, 'panel', 'data-open')).toBe('true');
    await tab.close();
  });

  it('of two that are opened at once the later is shown; larger models are said to take longer', async () => {
    const tab = await opened(site, tabs);
    await tab.evaluate(() => {
      for (const place of [3, 1]) document.querySelector<HTMLElement>(`#samples button:nth-child(${place})`)!.click();
    }, undefined);
    await finished(tab, 'cat');
    await tab.until(() => document.querySelector('#effort label:last-child small')!.textContent, undefined);
    expect(await text(tab, 'name')).toBe('cat.jpg');
    const times = (): Promise<string[]> =>
      tab.evaluate(
        () => [...document.querySelectorAll('#effort small')].map(({ textContent }) => textContent!),
        undefined,
      );
    const said = await times();
    const seconds = said.map((time) => Number.parseFloat(time) / (time.endsWith('ms') ? 1000 : 1));
    expect(seconds).toHaveLength(4);
    expect(seconds[3]).toBeGreaterThan(seconds[0]);
    await click(tab, '[name="effort"][value="tiny"]');
    await finished(tab, 'cat');
    expect(await times()).toEqual(said); // a picture's own run, with its drawing, counts for nothing
    await tab.close();
  });

  it('a result that no canvas holds: says so, and a smaller scale is at hand', async () => {
    const tab = await opened(site, tabs);
    await click(tab, '[name="effort"][value="tiny"]');
    await click(tab, '[name="scale"][value="4"]');
    await choose(tab, [{ name: 'panorama.png', width: 17_000, height: 4 }]);
    await tab.until(() => document.querySelector('.card'), undefined);
    expect(await text(tab, 'cards')).toMatch(/^68000 × 16 pixels are more than this browser can hold/);
    expect(await axe(tab)).toEqual([]);
    await click(tab, '.card .primary');
    await tab.until(
      () => /^34000 × 8 pixels are more than .*: take PNG\.$/.test(document.getElementById('status')!.textContent!),
      undefined,
    );
    await click(tab, '[name="format"][value="image/png"]');
    await finished(tab, 'panorama@2x.png');
    expect(tab.complaints).toEqual([]);
    await tab.close();
  });

  it('dropped and pasted files are taken, as is asked for meanwhile, and where they may be dropped is shown', async () => {
    const tab = await opened(site, tabs);
    const shown = await tab.evaluate(async () => {
      const canvas = new OffscreenCanvas(20, 20);
      canvas.getContext('2d');
      const blob = await canvas.convertToBlob();
      const transfer = (name: string): DataTransfer => {
        const files = new DataTransfer();
        files.items.add(new File([blob], name, { type: 'image/png' }));
        return files;
      };
      const fire = (type: string): boolean =>
        document.body.dispatchEvent(
          new DragEvent(type, { dataTransfer: transfer('dropped.png'), bubbles: true, cancelable: true }),
        );
      const display = (): string => getComputedStyle(document.getElementById('drop')!).display;
      fire('dragenter');
      const over = display();
      fire('drop');
      document.querySelector<HTMLElement>('[name="scale"][value="3"]')!.click(); // while it is being opened
      Object.assign(globalThis, {
        paste: () => dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer('pasted.png') })),
      });
      return [over, display()];
    }, undefined);
    expect(shown).toEqual(['grid', 'none']);
    await finished(tab, 'dropped@3x');
    await tab.run('paste()');
    await finished(tab, 'pasted@3x');
    await tab.close();
  });

  it('without SIMD: says which browsers have it', async () => {
    const old = await chromiumTabs('--js-flags=--no-enable-avx --no-enable-sse4-1');
    const tab = await old.open();
    await tab.goto(site.url);
    await tab.until(() => document.querySelector('.card'), undefined);
    expect(await text(tab, 'cards')).toMatch(
      /^This browser has no WebAssembly SIMD.*Chrome and Edge .* Firefox .* Safari/,
    );
    expect(await axe(tab)).toEqual([]);
    await old.close();
  });

  it('needs 120 kB (gzip) of page, worker and model for the first picture, without a GPU', () => {
    expect(site.built.bytes).toBeLessThanOrEqual(120_000);
  });
});

it.each([
  ['Chromium', chromiumTabs],
  ['Firefox', firefoxTabs],
] as const)('works offline after the first visit, in %s', async (_, launch) => {
  const server = await serve(site.built.folder);
  const tabs = await launch();
  try {
    const tab = await tabs.open();
    await tab.goto(server.origin);
    await tab.until(() => document.getElementById('offline')!.textContent, undefined);
    await finished(tab); // Firefox complains of workers that are still loading when their page goes
    await server.close(); // nothing answers any more
    await tab.goto(server.origin);
    await finished(tab);
    await click(tab, '[name="scale"][value="3"]');
    await finished(tab, 'cat@3x');
    await click(tab, '[name="effort"][value="small"]');
    await tab.until(() => /small on wasm/.test(document.getElementById('status')!.textContent!), undefined);
    expect(tab.complaints).toEqual([]);
  } finally {
    await tabs.close();
    await server.close().catch(() => {});
  }
});
