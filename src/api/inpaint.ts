// inpaint(), createInpainter(): an image and a mask in, the image with what the mask covers filled out. The network is
// createNetwork's; here images become its tensors, tile by tile, and only covered pixels are written back.
import { expected } from '../core/errors.js';
import type { ClampedBytes, Global } from '../core/platform.js';
import type { RawImage, Tensor } from '../core/tensor.js';
import { inSlices } from '../core/turn.js';
import type { Rectangle } from '../backends/backend.js';
import type { NetworkFacts } from '../engine/network.js';
import { pixelsOf, planTiles, TILE } from '../engine/tiles.js';
import type { PoolInfo } from '../worker/pool.js';
import { allocateImage, type ImageInput, toRawImage } from './image.js';
import { openNetwork, type PoolNetwork } from './network.js';
import { type BackendOptions, checkRun, checkTiling, type ThreadOptions } from './options.js';

/**
 * Non-zero where the image is to be filled: a byte for each pixel, or an image of the same size, such as the canvas that
 * was drawn on, of which those pixels count that are neither black nor transparent.
 */
export type MaskInput = Uint8Array | Uint8ClampedArray | ImageInput;

export type InpaintOptions = BackendOptions & ThreadOptions;

export interface Inpainter extends AsyncDisposable {
  readonly info: PoolInfo;
  /**
   * The image with what the mask covers filled, and opaque there; every other pixel is as it was. Image and mask are
   * borrowed and must not change until the promise settles; the result is yours. It is made for scratches, lettering and
   * wires, up to 20 pixels wide: of larger holes the middle is blurred.
   * @throws {CarafeError} UnsupportedImage, ImageTooLarge, ShapeMismatch for a mask of another size, OutOfMemory, DeviceLost,
   * WorkerCrashed, Disposed; the signal's reason
   */
  inpaint(image: ImageInput, mask: MaskInput, options?: { signal?: Global<'AbortSignal'> }): Promise<RawImage>;
  /** Frees workers and memory; pending calls reject with Disposed. */
  dispose(): void;
}

const ROWS_AT_A_TIME = 8; // between turns of this thread

/**
 * Loads the network once for many images.
 * @throws {CarafeError} InvalidOption, BackendUnavailable, WorkerCrashed; the signal's reason
 */
export async function createInpainter(options: InpaintOptions = {}): Promise<Inpainter> {
  const { workers } = checkTiling(options);
  const { default: weights } = await import('../../models/inpainting/inpaint.safetensors');
  return new NetworkInpainter(await openNetwork('inpainting-unet', weights, { ...options, layout: 'NHWC' }), workers);
}

/**
 * One image: createInpainter, inpaint, dispose.
 * @throws as both
 * @example
 * const image = { data: new Uint8ClampedArray(32 * 24 * 4).fill(200), width: 32, height: 24 };
 * const { data } = await inpaint(image, new Uint8Array(32 * 24).fill(1, 330, 340)); // ten pixels filled
 */
export async function inpaint(image: ImageInput, mask: MaskInput, options: InpaintOptions = {}): Promise<RawImage> {
  const inpainter = await createInpainter(options);
  try {
    return await inpainter.inpaint(image, mask, options);
  } finally {
    inpainter.dispose();
  }
}

class NetworkInpainter implements Inpainter {
  readonly #network: PoolNetwork;
  readonly #lanes: number;

  constructor(network: PoolNetwork, workers: number) {
    this.#network = network;
    this.#lanes = 2 * workers; // one tile computes while another travels
  }

  get info(): PoolInfo {
    return this.#network.info;
  }

  async inpaint(
    image: ImageInput,
    mask: MaskInput,
    options: { signal?: Global<'AbortSignal'> } = {},
  ): Promise<RawImage> {
    const { signal } = checkRun(options);
    signal?.throwIfAborted();
    const { image: input } = await toRawImage(image, 1);
    const holes = await readMask(mask, input);
    const output: RawImage = { ...input, ...allocateImage(input.width, input.height) };
    output.data.set(pixelsOf(input));
    const tiles = holesOf(holes, input);
    const lane = async (): Promise<void> => {
      for (const tile of tiles) {
        const window = windowAround(tile, input, this.#network.facts);
        const [filled] = await this.#network.run(await inSlices(reading(input, holes, window)), { signal });
        await inSlices(writing(output, holes, tile, filled, window));
      }
    };
    await Promise.all(Array.from({ length: this.#lanes }, lane));
    return output;
  }

  dispose(): void {
    this.#network.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }
}

/** Non-zero for each pixel to fill. @throws {CarafeError} ShapeMismatch, UnsupportedImage, OutOfMemory */
async function readMask(mask: MaskInput, { width, height }: RawImage): Promise<Uint8Array> {
  if (typeof mask !== 'object' || mask === null || Array.isArray(mask))
    throw expected('UnsupportedImage', 'mask', 'a Uint8Array, or an image', mask);
  if (ArrayBuffer.isView(mask)) {
    const values = mask as Uint8Array;
    if (values.BYTES_PER_ELEMENT !== 1 || values.length !== width * height)
      throw expected(
        'ShapeMismatch',
        'mask',
        `${width * height} bytes, one for each pixel,`,
        `${values.length} values`,
      );
    return values.slice();
  }
  const { image: pixels } = await toRawImage(mask, 1);
  if (pixels.width !== width || pixels.height !== height)
    throw expected(
      'ShapeMismatch',
      'mask',
      `the image's size, ${width}x${height},`,
      `${pixels.width}x${pixels.height}`,
    );
  return inSlices(drawnOn(pixels));
}

/** 1 for each pixel that is neither black nor transparent. */
function* drawnOn(mask: RawImage): Generator<void, Uint8Array, void> {
  const holes = new Uint8Array(mask.width * mask.height);
  let data = pixelsOf(mask);
  for (let i = 0; i < holes.length; i++) {
    if (i % (TILE * TILE) === TILE * TILE - 1) {
      yield;
      data = pixelsOf(mask);
    }
    const at = 4 * i;
    holes[i] = data[at + 3] && (data[at] || data[at + 1] || data[at + 2]) ? 1 : 0;
  }
  return holes;
}

/** Of each tile the rectangle around its holes, where it has any. */
function* holesOf(holes: Uint8Array, { width, height }: RawImage): Generator<Rectangle, void, void> {
  for (const tile of planTiles(width, height, TILE)) {
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let y = tile.y; y < tile.y + tile.height; y++)
      for (let x = tile.x; x < tile.x + tile.width; x++)
        if (holes[y * width + x]) {
          left = Math.min(left, x);
          right = Math.max(right, x);
          top = Math.min(top, y);
          bottom = y;
        }
    if (right >= 0) yield { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
  }
}

/** What the network has to see of the image, on its grid, so that all windows halve alike; it may end a little outside. */
function windowAround({ x, y, width, height }: Rectangle, image: RawImage, facts: NetworkFacts): Rectangle {
  const [left, right] = span(x, width, image.width, facts);
  const [top, bottom] = span(y, height, image.height, facts);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function span(
  start: number,
  length: number,
  size: number,
  { multiple, reach }: NetworkFacts,
): [start: number, end: number] {
  const onGrid = (at: number): number => Math.ceil(at / multiple) * multiple;
  const first = Math.floor(start / multiple) * multiple;
  return [Math.max(0, first - reach), Math.min(onGrid(size), onGrid(start + length) + reach)];
}

/** The network's inputs, colours and what is known: what is invisible is as unknown as what is to be filled. Outside the image the nearest edge pixel. */
function* reading(image: RawImage, holes: Uint8Array, window: Rectangle): Generator<void, Tensor[], void> {
  const colours = new Float32Array(window.width * window.height * 3);
  const known = new Float32Array(window.width * window.height);
  let pixels = pixelsOf(image);
  for (let row = 0, i = 0; row < window.height; row++) {
    if (row % ROWS_AT_A_TIME === ROWS_AT_A_TIME - 1) {
      yield;
      pixels = pixelsOf(image);
    }
    const line = Math.min(window.y + row, image.height - 1) * image.width;
    for (let column = 0; column < window.width; column++, i++) {
      const at = line + Math.min(window.x + column, image.width - 1);
      if (holes[at] || pixels[4 * at + 3] === 0) continue; // all 0
      for (let c = 0; c < 3; c++) colours[3 * i + c] = pixels[4 * at + c] / 255 - 0.5;
      known[i] = 1;
    }
  }
  return [
    { data: colours, shape: [1, window.height, window.width, 3] },
    { data: known, shape: [1, window.height, window.width, 1] },
  ];
}

/** The tile's covered pixels. */
function* writing(
  { data, width }: { readonly data: ClampedBytes; readonly width: number },
  holes: Uint8Array,
  tile: Rectangle,
  filled: Tensor,
  window: Rectangle,
): Generator<void, void, void> {
  for (let y = tile.y; y < tile.y + tile.height; y++) {
    if (y % ROWS_AT_A_TIME === ROWS_AT_A_TIME - 1) yield;
    for (let x = tile.x; x < tile.x + tile.width; x++) {
      const at = y * width + x;
      if (!holes[at]) continue;
      const from = ((y - window.y) * window.width + x - window.x) * 3;
      for (let c = 0; c < 3; c++) data[4 * at + c] = (filled.data[from + c] + 0.5) * 255; // rounded and clamped by the array
      data[4 * at + 3] = 255;
    }
  }
}
