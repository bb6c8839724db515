// carafe-web/inpaint on the built package: a photograph's strokes are filled well and nothing else changes; the same pixels
// on every backend and wherever tiles end; masks of each kind; and what is wrong with one.
import { readFileSync } from 'node:fs';
import { createInpainter, inpaint, type MaskInput, type RawImage } from 'carafe-web/inpaint';
import { createNetwork } from 'carafe-web/networks';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { loadNetwork } from '../../src/engine/network.js';
import type { LoadedNetwork } from '../../src/engine/networks/loaded-network.js';
import { StateDict, type Tensors } from '../../src/engine/networks/state-dict.js';
import { parseSafetensors } from '../../src/models/safetensors.js';
import { boundConv } from '../conformance/bounds.js';
import { nodeGpuDevice } from '../backends.js';
import { assertSamePicture, rejection, testImage } from './support.js';

const root = new URL('../..', import.meta.url).pathname;
/** A little under what was measured when the weights came in. */
const PHOTO_PSNR = 26.5;
const onWasm = { backend: 'wasm', thread: 'inline' } as const;

/** Bands of `thickness` pixels, one every `period`, falling to the right. */
function bands({ width, height }: RawImage, thickness: number, period: number): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) =>
    ((i % width) + 2 * Math.floor(i / width)) % period < thickness ? 255 : 0,
  );
}

const notCovered = ({ data }: RawImage, mask: Uint8Array): Uint8ClampedArray =>
  data.filter((_, i) => mask[Math.floor(i / 4)] === 0);

/** The network on all of an image at once. */
async function whole(image: RawImage, mask: Uint8Array): Promise<RawImage> {
  const { width, height } = image;
  const network = await createNetwork(
    'inpainting-unet',
    readFileSync(`${root}models/inpainting/inpaint.safetensors`),
    onWasm,
  );
  const planes = (channels: number, value: (at: number, c: number) => number) => ({
    data: Float32Array.from({ length: channels * width * height }, (_, i) => {
      const at = i % (width * height);
      return mask[at] ? 0 : value(at, Math.floor(i / (width * height)));
    }),
    shape: [1, channels, height, width],
  });
  const colours = planes(3, (at, c) => image.data[4 * at + c] / 255 - 0.5);
  const [{ data }] = await network.run([colours, planes(1, () => 1)]);
  network.dispose();
  const result = image.data.map((value, i) => {
    const [at, c] = [Math.floor(i / 4), i % 4];
    if (!mask[at]) return value;
    return c === 3 ? 255 : Math.round((data[c * width * height + at] + 0.5) * 255);
  });
  return { ...image, data: result };
}

test('strokes on a photograph are filled, and every other pixel is as it was', async () => {
  const { data, info } = await sharp(`${root}examples/sample.jpg`)
    .resize(320)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const photo: RawImage = { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
  const mask = bands(photo, 20, 130);
  const struck = { ...photo, data: photo.data.map((value, i) => (mask[Math.floor(i / 4)] ? 0 : value)) };
  const filled = await inpaint(struck, mask, { backend: 'wasm' });
  expect(notCovered(filled, mask)).toEqual(notCovered(photo, mask));
  let [squares, count] = [0, 0];
  for (let i = 0; i < photo.data.length; i++)
    if (mask[Math.floor(i / 4)] && i % 4 < 3) {
      squares += (filled.data[i] - photo.data[i]) ** 2;
      count++;
    }
  expect(10 * Math.log10((255 ** 2 * count) / squares)).toBeGreaterThan(PHOTO_PSNR);
});

test('no tile’s end shows: the pixels are those of the network on the whole image', async () => {
  const image = testImage(320, 72); // two tiles, each seeing a part
  const mask = bands(image, 9, 60);
  await assertSamePicture(await inpaint(image, mask, { ...onWasm, workers: 2 }), await whole(image, mask), 1);
});

test('a tile is cut as far around as the network looks, and not further', async () => {
  const weights = new Uint8Array(readFileSync(`${root}models/inpainting/inpaint.safetensors`));
  const { reach, multiple } = loadNetwork(
    'inpainting-unet',
    new StateDict(
      { conv: boundConv },
      Object.fromEntries(parseSafetensors(weights).tensors) as Tensors,
      1e-5,
      'softmax',
    ),
    { upsampler: 'carafe' },
  ) as Required<LoadedNetwork>;
  const network = await createNetwork('inpainting-unet', weights, { backend: 'reference', thread: 'inline' }); // Winograd's blocks round alike
  const [height, width] = [8, 8 * Math.ceil((reach + 2 * multiple) / 8)];
  const filled = async (value: number): Promise<Float32Array> => {
    const colours = new Float32Array(3 * height * width).map((_, i) =>
      i % width < multiple ? value : Math.sin(i) / 2,
    );
    const known = { data: new Float32Array(height * width).fill(1), shape: [1, 1, height, width] };
    return (await network.run([{ data: colours, shape: [1, 3, height, width] }, known]))[0].data;
  };
  const [plain, changed] = [await filled(0), await filled(1e4)];
  network.dispose();
  const last = Math.max(...plain.map((value, i) => (value === changed[i] ? -1 : i % width)));
  expect(last).toBeLessThan(multiple + reach);
  expect(last).toBeGreaterThanOrEqual(reach);
});

test('in a worker, on the reference and on webgpu within 1 of wasm', async () => {
  const image = testImage(44, 37);
  const mask = bands(image, 5, 17);
  const want = await inpaint(image, mask, onWasm);
  const device = await nodeGpuDevice();
  for (const options of [{ backend: 'reference' }, { backend: 'webgpu', device }, { thread: 'worker' }] as const)
    await assertSamePicture(await inpaint(image, mask, options), want, 1);
  device.destroy();
});

test('a mask is a byte for each pixel, or a picture that is drawn on', async () => {
  await using inpainter = await createInpainter(onWasm);
  const image = testImage(24, 16);
  const mask = bands(image, 4, 12);
  const want = await inpainter.inpaint(image, mask);
  const drawn = (colour: (covered: number) => number[]): RawImage => ({
    ...image,
    data: Uint8ClampedArray.from([...mask].flatMap((value) => colour(value))),
  });
  for (const same of [
    mask.map((value) => value && 1),
    new Uint8ClampedArray(mask),
    drawn((covered) => [covered, covered, covered, 255]), // white on black
    drawn((covered) => (covered ? [0, 200, 0, 130] : [0, 0, 0, 0])), // a brush on a canvas
  ])
    await assertSamePicture(await inpainter.inpaint(image, same), want);
  await assertSamePicture(await inpainter.inpaint(image, new Uint8Array(24 * 16)), image); // nothing to fill
});

test('what is filled is opaque; what is invisible stays so, and lends no colour', async () => {
  const image = testImage(32, 32);
  const hidden = image.data.map((value, i) => (i % 128 < 40 ? (i % 4 === 3 ? 0 : value) : value)); // 10 columns
  const mask = bands(image, 6, 40);
  const other = hidden.map((value, i) => (i % 128 < 40 && i % 4 < 3 ? 255 - value : value));
  const [one, two] = await Promise.all([hidden, other].map((data) => inpaint({ ...image, data }, mask, { ...onWasm })));
  expect(notCovered(one, mask)).toEqual(notCovered({ ...image, data: hidden }, mask));
  mask.forEach((covered, i) => {
    if (covered) expect(one.data.slice(4 * i, 4 * i + 4)).toEqual(two.data.slice(4 * i, 4 * i + 4));
    if (covered) expect(one.data[4 * i + 3]).toBe(255);
  });
});

test('what is wrong is said', async () => {
  await using inpainter = await createInpainter(onWasm);
  const image = testImage(24, 16);
  const failing = async (mask: unknown, options = {}) =>
    rejection(inpainter.inpaint(image, mask as MaskInput, options));
  expect(await failing(new Uint8Array(24 * 16 - 1))).toMatchObject({
    code: 'ShapeMismatch',
    message: expect.stringContaining('384 bytes, one for each pixel, for "mask"'),
  });
  expect(await failing(new Float32Array(24 * 16))).toMatchObject({ code: 'ShapeMismatch' });
  expect(await failing(testImage(23, 16))).toMatchObject({ code: 'ShapeMismatch' });
  for (const none of [undefined, null, 'mask.png', [0, 1]])
    expect(await failing(none)).toMatchObject({
      code: 'UnsupportedImage',
      message: expect.stringContaining('a Uint8Array, or an image for "mask"'),
    });
  const signal = AbortSignal.abort(new Error('enough'));
  expect(await failing(bands(image, 4, 12), { signal })).toMatchObject({ message: 'enough' });
  inpainter.dispose();
  expect(await failing(bands(image, 4, 12))).toMatchObject({ code: 'Disposed' });
});
