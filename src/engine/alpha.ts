// Alpha: colours under fully transparent pixels are arbitrary, and a network that sees them draws fringes around every cut-out.
// They are replaced by the mean of the visible neighbours, ring by ring; alpha itself goes through the network like luma.
import type { RawImage } from '../core/tensor.js';

/** How far colours are carried: as far as the networks see (with 4, `base` made fringes of 3 in 255). Tiles grow by as much. */
export const BLEED_RADIUS = 8;

const OPAQUE = new Uint32Array(Uint8Array.of(0, 0, 0, 255).buffer)[0] | 0;

/** Of RGBA8, eight pixels at a time where memory is aligned: 1080p in 3.0 ms instead of 4.7. */
export function isOpaque(data: Uint8ClampedArray): boolean {
  let i = 0;
  if (data.byteOffset % 4 === 0) {
    const pixels = new Int32Array(data.buffer, data.byteOffset, data.length >> 2);
    let all = OPAQUE;
    for (; i + 8 <= pixels.length; i += 8) {
      all &= pixels[i] & pixels[i + 1] & pixels[i + 2] & pixels[i + 3];
      all &= pixels[i + 4] & pixels[i + 5] & pixels[i + 6] & pixels[i + 7];
    }
    if (all !== OPAQUE) return false;
  }
  for (i = 4 * i + 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

/** The image with colours carried BLEED_RADIUS pixels into its transparent parts; alpha is unchanged. */
export function bleedColours(image: RawImage): RawImage {
  const { width, height } = image;
  const data = image.data.slice();
  const known = new Uint8Array(width * height);
  for (let i = 0; i < known.length; i++) known[i] = data[4 * i + 3] > 0 ? 1 : 0;
  if (known.every((k) => k === 1)) return image;
  for (let ring = 1; ring <= BLEED_RADIUS; ring++) {
    const found: number[] = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!known[y * width + x] && meanOfKnown(data, known, width, height, x, y)) found.push(y * width + x);
      }
    }
    for (const i of found) known[i] = 1; // only after the ring is complete, so that the scan's direction does not show
  }
  for (let i = 0; i < known.length; i++) if (!known[i]) data.fill(0, 4 * i, 4 * i + 3);
  return { data, width, height };
}

/** Writes the mean colour of the known ones among the eight neighbours; false if there is none. */
function meanOfKnown(
  data: Uint8ClampedArray,
  known: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
): boolean {
  let r = 0,
    g = 0,
    b = 0,
    count = 0;
  for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny++) {
    for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx++) {
      const i = ny * width + nx;
      if (!known[i]) continue;
      r += data[4 * i];
      g += data[4 * i + 1];
      b += data[4 * i + 2];
      count++;
    }
  }
  if (count === 0) return false;
  const target = 4 * (y * width + x);
  data[target] = r / count;
  data[target + 1] = g / count;
  data[target + 2] = b / count;
  return true;
}
