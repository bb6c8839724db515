// Pictures in and out in a real Chromium: exact, or an error that says what to do; never a blank one.
import { createUpscaler } from 'carafe-web';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.js';
import { testImage } from '../api/support.js';
import { type Browser, launchChromium } from '../chromium.js';

const root = new URL('../..', import.meta.url).pathname;
type Site = Awaited<ReturnType<typeof serve>>;
let site: Site;
let elsewhere: Site; // another origin, without CORS
let browser: Browser;
let page: Page;

/** Files that the page can fetch, made by sharp. */
const files: Record<string, () => Promise<Buffer>> = {
  '/made/wide.png': () => png(pattern(70000, 2), 70000, 2),
  '/made/strips.png': () => png(pattern(1030, 520), 1030, 520),
  // converted by sharp: stored as P3 (186, 72, 67)
  '/made/p3.png': () =>
    sharp(flat(200, 60, 60), rgb(8, 8))
      .png()
      .withIccProfile('p3', { attach: true })
      .toBuffer(),
};
const rgb = (width: number, height: number) => ({ raw: { width, height, channels: 3 as const } });
const png = (data: Buffer, width: number, height: number) => sharp(data, rgb(width, height)).png().toBuffer();
const flat = (...colour: number[]) => Buffer.from(Array.from({ length: 64 }, () => colour).flat());
function pattern(width: number, height: number): Buffer {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([i % 251, (i * 7) % 253, (i * 31) % 241], 3 * i);
  return data;
}

beforeAll(async () => {
  [site, elsewhere] = await Promise.all([serve(root), serve(root)]);
  browser = await launchChromium({ webgpu: false });
  page = await browser.context.newPage();
  await page.route('**/made/*', async (route) =>
    route.fulfill({ body: await files[new URL(route.request().url()).pathname](), contentType: 'image/png' }),
  );
  await page.goto(`${site.origin}/test/dist/blank.html`);
  await page.evaluate(`(async () => {
    globalThis.carafe = await import('/dist/index.js');
    globalThis.upscaler = await carafe.createUpscaler({ backend: 'wasm', model: 'small', workers: 1 });
    globalThis.pattern = (width, height) => {
      const data = new Uint8ClampedArray(4 * width * height);
      for (let i = 0; i < width * height; i++) data.set([i % 251, (i * 7) % 253, (i * 31) % 241, 255], 4 * i);
      return { data, width, height };
    };
    globalThis.same = (a, b) => a.width === b.width && a.height === b.height && a.data.length === b.data.length && a.data.every((value, i) => value === b.data[i]);
    globalThis.file = async (path) => (await fetch(path)).blob();
    globalThis.pixel = (source, x, y, colorSpace = 'srgb') => {
      const context = new OffscreenCanvas(1, 1).getContext('2d', { colorSpace, willReadFrequently: true });
      context.drawImage(source, x, y, 1, 1, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    globalThis.red = (width = 8, height = 8) => {
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      const context = canvas.getContext('2d');
      context.fillStyle = '#f00';
      context.fillRect(0, 0, width, height);
      return canvas;
    };
    globalThis.failure = (promise) => promise.then(() => 'it succeeded', ({ name, code, message }) => name + ' ' + code + ': ' + message);
  })()`);
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.close(), elsewhere?.close()]);
});

const inPage = <T>(body: string): Promise<T> => page.evaluate(`(async () => { ${body} })()`) as Promise<T>;

describe('larger than a canvas', () => {
  test('a file and a bitmap of 70000x2 come back exact, not blank', async () => {
    expect(
      await inPage(`
      const want = await upscaler.upscale(pattern(70000, 2));
      const blob = await file('/made/wide.png');
      const bitmap = await createImageBitmap(blob);
      return [same(await upscaler.upscale(blob), want), same(await upscaler.upscale(bitmap), want), bitmap.width];`),
    ).toEqual([true, true, 70000]); // still 70000: the caller's bitmap is not closed
  });

  test('several strips in both directions meet exactly', async () => {
    expect(
      await inPage(
        `return same(await upscaler.upscale(await file('/made/strips.png')), await upscaler.upscale(pattern(1030, 520)));`,
      ),
    ).toBe(true);
  });

  test('toBlob of 80000x4 is ImageTooLarge, not a blank file; toImageBitmap holds it', async () => {
    const [error, last] = await inPage<[string, number[]]>(`
      const wide = pattern(80000, 4);
      return [await failure(carafe.toBlob(wide)), pixel(await carafe.toImageBitmap(wide), 79999, 3)];`);
    expect(error).toMatch(/^CarafeError ImageTooLarge: Expected .+ for "image", got "80000x4, which it leaves blank"/);
    const i = 80000 * 4 - 1;
    expect(last).toEqual([i % 251, (i * 7) % 253, (i * 31) % 241, 255]);
  });

  test('a WebP over 16,383 and a JPEG over 65,500 pixels a side are errors, not crops', async () => {
    expect(
      await inPage(`
      const code = (promise) => promise.then((blob) => createImageBitmap(blob)).then(({ width }) => width, ({ code }) => code);
      return Promise.all([code(carafe.toBlob(pattern(16383, 1), 'image/webp')), code(carafe.toBlob(pattern(16384, 1), 'image/webp')),
        code(carafe.toBlob(pattern(65500, 1), 'image/jpeg')), code(carafe.toBlob(pattern(65501, 1), 'image/jpeg'))]);`),
    ).toEqual([16383, 'ImageTooLarge', 65500, 'ImageTooLarge']);
  });

  test.each([
    ['that reads as zeros', 'return new ImageData(w, h);'],
    ['that refuses to be read', "throw new DOMException('out of memory', 'InvalidStateError');"],
  ])('a canvas %s: ImageTooLarge in both directions', async (_, body) => {
    const errors = await inPage<string[]>(`
      const { prototype } = OffscreenCanvasRenderingContext2D;
      const real = prototype.getImageData;
      prototype.getImageData = function (x, y, w, h) { ${body} };
      try {
        return [await failure(upscaler.upscale(red())), await failure(carafe.toBlob(pattern(8, 8)))];
      } finally {
        prototype.getImageData = real;
      }`);
    for (const error of errors) expect(error).toMatch(/^CarafeError ImageTooLarge: Expected .+ for "image"/);
  });

  test('a canvas that dies between two strips: ImageTooLarge, not half a picture', async () => {
    const error = await inPage<string>(`
      const { prototype } = OffscreenCanvasRenderingContext2D;
      const real = prototype.getImageData;
      let strips = 0;
      prototype.getImageData = function (x, y, w, h) { return strips++ < 2 ? real.call(this, x, y, w, h) : new ImageData(w, h); };
      try {
        return await failure(upscaler.upscale(await file('/made/strips.png')));
      } finally {
        prototype.getImageData = real;
      }`);
    expect(error).toMatch(/^CarafeError ImageTooLarge/);
  });
});

describe('colour', () => {
  test('ImageData of display-p3 keeps its colour space, through results, files and bitmaps', async () => {
    const got = await inPage<Record<string, unknown>>(`
      const data = new ImageData(8, 8, { colorSpace: 'display-p3' });
      for (let i = 0; i < data.data.length; i += 4) data.data.set([255, 0, 0, 255], i);
      const result = await upscaler.upscale(data);
      const png = await createImageBitmap(await carafe.toBlob(result));
      const jpeg = await createImageBitmap(await carafe.toBlob(result, 'image/jpeg', 1));
      const bitmap = await carafe.toImageBitmap(result);
      return { space: result.colorSpace, result: [...result.data.slice(0, 4)], png: pixel(png, 3, 3, 'display-p3'),
        jpeg: pixel(jpeg, 3, 3, 'display-p3'), bitmap: pixel(bitmap, 3, 3, 'display-p3') };`);
    expect(got).toMatchObject({
      space: 'display-p3',
      result: [255, 0, 0, 255],
      png: [255, 0, 0, 255],
      bitmap: [255, 0, 0, 255],
    });
    expect(Math.max(...(got.jpeg as number[]).map((value, i) => Math.abs(value - [255, 0, 0, 255][i])))).toBeLessThan(
      5,
    );
  });

  test('a file of display-p3 is converted to sRGB', async () => {
    const { space, colour } = await inPage<{ space: unknown; colour: number[] }>(`
      const result = await upscaler.upscale(await file('/made/p3.png'));
      return { space: result.colorSpace ?? 'srgb', colour: [...result.data.slice(400, 404)] };`);
    expect(space).toBe('srgb');
    expect(Math.max(...colour.map((value, i) => Math.abs(value - [200, 60, 60, 255][i])))).toBeLessThanOrEqual(1);
  });

  test('Float16 ImageData is taken, rounded and clamped', async () => {
    expect(
      await inPage(`
      const bytes = pattern(12, 9);
      const half = new ImageData(12, 9, { pixelFormat: 'rgba-float16' });
      half.data.set(Float16Array.from(bytes.data, (value) => value / 255));
      half.data.set([-0.5, 1.5, NaN, 1], 0);
      bytes.data.set([0, 255, 0, 255], 0);
      return [half.data.constructor.name, same(await upscaler.upscale(half), await upscaler.upscale(bytes)),
        pixel(await carafe.toImageBitmap(half), 0, 0)];`),
    ).toEqual(['Float16Array', true, [0, 255, 0, 255]]);
  });

  test('transparent parts of a JPEG are white, not black', async () => {
    const colour = await inPage<number[]>(
      `return pixel(await createImageBitmap(await carafe.toBlob({ data: new Uint8ClampedArray(256), width: 8, height: 8 }, 'image/jpeg')), 4, 4);`,
    );
    expect(colour).toEqual([255, 255, 255, 255]);
  });
});

describe('toBlob', () => {
  test.each(['image/png', 'image/jpeg', 'image/webp'])('writes %s', async (type) => {
    expect(
      await inPage(`
      const blob = await carafe.toBlob(pattern(20, 10), '${type}', 0.9);
      const { width, height } = await createImageBitmap(blob);
      return [blob.type, width, height];`),
    ).toEqual([type, 20, 10]);
  });

  test.each(['image/avif', 'image/jpg', 'image/tiff', 'webp', '', 'IMAGE/PNG'])(
    'type "%s", which this browser does not write, is an error, not a PNG',
    async (type) => {
      expect(await inPage(`return failure(carafe.toBlob(pattern(8, 8), ${JSON.stringify(type)}));`)).toBe(
        `CarafeError InvalidOption: Expected a type that this browser writes ("image/png", "image/jpeg", "image/webp") for "type", got "${type}"`,
      );
    },
  );

  test.each([
    ['quality 90', "carafe.toBlob(pattern(8, 8), 'image/jpeg', 90)", 'InvalidOption: Expected a number of 0..1'],
    ['no image', 'carafe.toBlob(null)', 'UnsupportedImage'],
    ['no pixels', 'carafe.toBlob({ ...pattern(8, 8), width: 0 })', 'UnsupportedImage'],
    ['too few pixels', 'carafe.toImageBitmap({ ...pattern(8, 8), width: 9 })', 'UnsupportedImage'],
    ['no bitmap of nothing', 'carafe.toImageBitmap(undefined)', 'UnsupportedImage'],
  ])('%s', async (_, call, message) => {
    expect(await inPage(`return failure(${call});`)).toContain(`CarafeError ${message}`);
  });

  test('pixels in a Uint8Array and on shared memory', async () => {
    expect(
      await inPage(`
      const plain = pattern(16, 8);
      const shared = new Uint8ClampedArray(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 0, plain.data.length);
      shared.set(plain.data);
      const files = [];
      for (const data of [plain.data, Uint8Array.from(plain.data), shared]) {
        const bitmap = await carafe.toImageBitmap({ ...plain, data });
        files.push(pixel(bitmap, 15, 7).join() + ' ' + [...new Uint8Array(await (await carafe.toBlob({ ...plain, data })).arrayBuffer())].join());
      }
      return files.every((each) => each === files[0]);`),
    ).toBe(true);
  });
});

describe('what the picture may be', () => {
  test.each([
    ['a Response', `fetch('/examples/sample.jpg')`, [902, 600]],
    ['an SVG <img> without a size', `load(svg)`, [300, 300]],
    ['an ImageData of an iframe', 'new frame.ImageData(8, 8)', [16, 16]],
    ['a Blob of an iframe', `new frame.Blob([await (await file('/made/p3.png')).arrayBuffer()])`, [16, 16]],
    [
      'a canvas of an iframe',
      'Object.assign(frame.document.createElement("canvas"), { width: 8, height: 8 })',
      [16, 16],
    ],
    ['pixels of an iframe', '{ data: new frame.Uint8ClampedArray(256), width: 8, height: 8 }', [16, 16]],
  ])('%s', async (_, picture, size) => {
    expect(
      await inPage(`
      const frame = document.body.appendChild(document.createElement('iframe')).contentWindow;
      const load = (src) => new Promise((resolve) => { const image = new Image(); image.onload = () => resolve(image); image.src = src; });
      const svg = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="red"/></svg>');
      const { width, height } = await upscaler.upscale(await (${picture}));
      return [width, height];`),
    ).toEqual(size);
  });

  test('a video: the frame that it shows', async () => {
    expect(
      await inPage(`
      const canvas = red(16, 8);
      const video = document.createElement('video');
      video.muted = true;
      video.srcObject = canvas.captureStream();
      await video.play();
      const { width, height, data } = await upscaler.upscale(video);
      return [width, height, data[400] > 200, data[401] < 60];`),
    ).toEqual([32, 16, true, true]);
  });

  test('a canvas drawn on after the call, and a frame closed after it: what they showed', async () => {
    expect(
      await inPage(`
      const canvas = red();
      const frame = new VideoFrame(canvas, { timestamp: 0 });
      const calls = [upscaler.upscale(canvas), upscaler.upscale(frame)];
      canvas.getContext('2d').clearRect(0, 0, 8, 8);
      frame.close();
      return (await Promise.all(calls)).map(({ data }) => [...data.slice(0, 4)]);`),
    ).toEqual([
      [255, 0, 0, 255],
      [255, 0, 0, 255],
    ]);
  });

  test('EXIF orientation of a file, once', async () => {
    files['/made/turned.png'] = () =>
      sharp(pattern(20, 10), rgb(20, 10)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(
      await inPage(
        `const { width, height } = await upscaler.upscale(await file('/made/turned.png')); return [width, height];`,
      ),
    ).toEqual([20, 40]);
  });
});

describe('what it may not be, and what to do', () => {
  test.each([
    [
      'an <img> that is still loading',
      `Object.assign(new Image(), { src: '/examples/sample.jpg?' + Math.random() })`,
      'await image.decode()',
    ],
    ['an <img> that is broken', `load('/none.png')`, 'an <img> that has loaded'],
    ['pixels of another site', `load('ELSEWHERE/examples/sample.jpg')`, 'crossorigin="anonymous"'],
    ['a canvas with pixels of another site', `tainted()`, 'crossorigin="anonymous"'],
    ['a closed ImageBitmap', 'closed(await createImageBitmap(red()))', 'an ImageBitmap that is not closed'],
    ['a closed VideoFrame', 'closed(new VideoFrame(red(), { timestamp: 0 }))', 'a VideoFrame that is not closed'],
    ['a <video> without a frame', `document.createElement('video')`, '"loadeddata"'],
    ['a canvas without pixels', 'new OffscreenCanvas(0, 8)', 'at least 1x1'],
    ['an empty file', `new Blob([], { type: 'image/png' })`, 'image/png of 0 bytes'],
    ['a text file', `new File(['hello'], 'a.txt', { type: 'text/plain' })`, 'a file that this browser can decode'],
    ['a Response of 404', `fetch('/none.png')`, 'got "404 of '],
    ['a Response that was read', `read(await fetch('/examples/sample.jpg'))`, 'can be read, once'],
    ['a URL', `new URL(location)`, 'await fetch(url)'],
    ['the address of a picture', `'/examples/sample.jpg'`, 'await fetch(url)'],
    ['the bytes of a file', `(await fetch('/examples/sample.jpg')).arrayBuffer()`, 'new Blob([bytes])'],
    ['another element', `document.createElement('picture')`, 'got an instance of HTMLPictureElement'],
  ])('%s', async (_, picture, message) => {
    expect(
      await inPage(
        `
      const load = (src) => new Promise((resolve) => { const image = new Image(); image.onload = image.onerror = () => resolve(image); image.src = src; });
      const closed = (value) => { value.close(); return value; };
      const read = async (response) => { await response.arrayBuffer(); return response; };
      const tainted = async () => { const canvas = red(); canvas.getContext('2d').drawImage(await load('ELSEWHERE/examples/sample.jpg'), 0, 0); return canvas; };
      return failure(upscaler.upscale(await (${picture})));`.replaceAll('ELSEWHERE', elsewhere.origin),
      ),
    ).toMatch(new RegExp(`^CarafeError UnsupportedImage: Expected .*${message.replace(/[()[\].]/g, '\\$&')}`));
  });

  test('after all that the upscaler still gives Node’s pixels', async () => {
    const { data, width, height } = testImage(20, 14);
    const got = await inPage<number[]>(
      `return [...(await upscaler.upscale({ data: Uint8ClampedArray.from(${JSON.stringify([...data])}), width: ${width}, height: ${height} })).data];`,
    );
    const node = await createUpscaler({ backend: 'wasm', model: 'small', thread: 'inline' });
    const want = await node.upscale({ data, width, height });
    node.dispose();
    expect(Math.max(...got.map((value, i) => Math.abs(value - want.data[i])))).toBeLessThanOrEqual(1);
  });
});
