// Pixel art: pictures drawn pixel by pixel, for which whole pixels (model "nearest") are right and a network is not.
// They are told from others rather too seldom than wrongly: photographs have too many colours, what was rendered has
// pixels between the colours on both sides of its edges, dithers have no areas, and one colour on another may as well be
// a scan.
import type { RawImage } from '../core/tensor.js';

const FEWEST_COLOURS = 3;
const MOST_COLOURS = 64;
/** Of the pixels that have a neighbour on both sides: those between them in colour, of those that are on an edge. */
const MOST_BETWEEN = 0.1;
/** Of the edges, corners: without them they may be a frame or the border of a table. */
const LEAST_CORNERS = 0.1;
const FEWEST_CORNERS = 8;
/** Pixels of the colour of two or more of their four neighbours. */
const LEAST_IN_AREAS = 0.55;
/** From here on, in the channel that differs most, two colours are an edge. */
const EDGE = 48;

/** Of an image that has the size for it (pixel-art-size.ts). */
export function isPixelArt({ data, width, height }: RawImage): boolean {
  const pixels = new Uint32Array(data.slice().buffer); // one number a colour; 0: invisible
  const colours = new Set<number>();
  for (let i = 0; i < pixels.length; i++) {
    if (data[4 * i + 3] === 0) pixels[i] = 0;
    colours.add(pixels[i]);
    if (colours.size > MOST_COLOURS) return false;
  }
  if (colours.size < FEWEST_COLOURS) return false;
  let [edges, between, corners, inAreas, inside] = [0, 0, 0, 0, 0];
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const [own, left, right, above, below] = [
        pixels[i],
        pixels[i - 1],
        pixels[i + 1],
        pixels[i - width],
        pixels[i + width],
      ];
      const alike = Number(left === own) + Number(right === own) + Number(above === own) + Number(below === own);
      inside++;
      if (alike >= 2) inAreas++;
      if (alike === 4) continue; // no edge
      const [across, down] = [distance(left, right) >= EDGE, distance(above, below) >= EDGE];
      edges += Number(across) + Number(down);
      if (across && isBetween(left, own, right)) between++;
      if (down && isBetween(above, own, below)) between++;
      if (across && down) corners++;
    }
  }
  const drawn = corners >= Math.max(FEWEST_CORNERS, LEAST_CORNERS * edges);
  return drawn && between <= MOST_BETWEEN * edges && inAreas >= LEAST_IN_AREAS * inside;
}

/** Every pixel as scale x scale of its colour. */
export function enlargePixels({ data, width, height }: RawImage, scale: number): RawImage {
  const big = { data: new Uint8ClampedArray(data.length * scale ** 2), width: width * scale, height: height * scale };
  const from = new Uint32Array(data.slice().buffer); // `data` need not be aligned
  const to = new Uint32Array(big.data.buffer);
  for (let y = 0; y < height; y++) {
    const row = y * scale * big.width;
    for (let x = 0; x < width; x++) to.fill(from[y * width + x], row + x * scale, row + (x + 1) * scale);
    for (let copy = 1; copy < scale; copy++) to.copyWithin(row + copy * big.width, row, row + big.width);
  }
  return big;
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
