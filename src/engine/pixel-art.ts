// Whether an image is pixel art, drawn pixel by pixel, for which whole pixels (model "nearest") are right and a network
// is not. Rather no than wrong: photographs have too many colours, what was rendered has pixels between the colours on
// both sides of its edges, dithers have no areas, and one colour on another may as well be a scan.
import type { RawImage } from '../core/tensor.js';

const LARGEST_SIDE = 320; // of old screens
const SMALLEST_SIDE = 8;
const FEWEST_COLOURS = 3;
const MOST_COLOURS = 64;
/** Of the pixels that have a neighbour on both sides: those between them in colour, of those that are on an edge. */
const MOST_BETWEEN = 0.1;
/** Pixels of the colour of two or more of their four neighbours. */
const LEAST_IN_AREAS = 0.55;
/** From here on, in the channel that differs most, two colours are an edge. */
const EDGE = 48;

export function isPixelArt({ data, width, height }: RawImage): boolean {
  if (Math.max(width, height) > LARGEST_SIDE || Math.min(width, height) < SMALLEST_SIDE) return false;
  const pixels = new Uint32Array(width * height); // one number a colour; 0: invisible
  const colours = new Set<number>();
  for (let i = 0; i < pixels.length; i++) {
    const [r, g, b, a] = data.subarray(4 * i, 4 * i + 4);
    pixels[i] = a === 0 ? 0 : (a << 24) | (b << 16) | (g << 8) | r;
    colours.add(pixels[i]);
    if (colours.size > MOST_COLOURS) return false;
  }
  if (colours.size < FEWEST_COLOURS) return false;
  let [edges, between, inAreas, inside] = [0, 0, 0, 0];
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const around = [i - 1, i + 1, i - width, i + width];
      inside++;
      if (around.filter((at) => pixels[at] === pixels[i]).length >= 2) inAreas++;
      for (const step of [1, width]) {
        if (distance(pixels[i - step], pixels[i + step]) < EDGE) continue;
        edges++;
        if (isBetween(pixels[i - step], pixels[i], pixels[i + step])) between++;
      }
    }
  }
  return edges > 0 && between <= MOST_BETWEEN * edges && inAreas >= LEAST_IN_AREAS * inside;
}

const channel = (colour: number, i: number): number => (colour >>> (8 * i)) & 255;

function distance(a: number, b: number): number {
  let most = 0;
  for (let i = 0; i < 4; i++) most = Math.max(most, Math.abs(channel(a, i) - channel(b, i)));
  return most;
}

/** Whether every channel of `middle` is between those of the others, and it is neither of them. */
function isBetween(a: number, middle: number, b: number): boolean {
  if (middle === a || middle === b) return false;
  if (a === 0 || b === 0) return channel(middle, 3) < Math.max(channel(a, 3), channel(b, 3)); // invisible: no colour
  for (let i = 0; i < 4; i++) {
    const [from, to, m] = [channel(a, i), channel(b, i), channel(middle, i)];
    if (m < Math.min(from, to) || m > Math.max(from, to)) return false;
  }
  return true;
}
