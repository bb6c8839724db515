// 16 bits through a network of 8: the bicubic enlargement of all 16, and on it what the network adds to the bicubic enlargement of its 8.
// out = bicubic(x16) + shrink(257 * network(x8) - bicubic(257 * x8)), where shrink drops half a step of 8 bits, what rounding may have
// been: so gradients stay as fine as they were, and details are the network's.
import type { RawImage } from '../index.js';
import { bandChannels, type Values } from './raster.js';

const STEP = 257; // of 8 bits in 16
const ROUNDING = STEP / 2;

/** Rows of a page: RGBA8, and the values that they were, if these are of 16 bits. */
export interface Strip {
  readonly values: Values;
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** The tile at (x, y) of the enlarged strip, in 16 bits and `bands` bands. */
export function deepen(tile: RawImage, x: number, y: number, strip: Strip, bands: number, scale: number): Uint16Array {
  const { width, height } = tile;
  const values = new Uint16Array(width * height * bands);
  bandChannels(bands).forEach((channel, band) => {
    const fine = enlargePlane((i) => strip.values[i * bands + band], x, y, width, height, strip, scale);
    const coarse = enlargePlane((i) => strip.data[i * 4 + channel] * STEP, x, y, width, height, strip, scale);
    for (let i = 0; i < fine.length; i++) {
      const added = tile.data[4 * i + channel] * STEP - coarse[i];
      const kept = Math.sign(added) * Math.max(0, Math.abs(added) - ROUNDING);
      values[i * bands + band] = Math.min(Math.max(Math.round(fine[i] + kept), 0), 65535);
    }
  });
  return values;
}

/** The window at (x, y) of the bicubic enlargement of a plane, `at` of which gives a value; rows first, then columns. */
function enlargePlane(
  at: (index: number) => number,
  x: number,
  y: number,
  width: number,
  height: number,
  strip: { width: number; height: number },
  scale: number,
): Float32Array {
  const columns = cubicTaps(x, width, strip.width, scale);
  const rows = cubicTaps(y, height, strip.height, scale);
  const top = Math.min(...rows.index);
  const count = Math.max(...rows.index) - top + 1;
  const wide = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let tap = 4 * column; tap < 4 * column + 4; tap++)
        sum += columns.weight[tap] * at((top + row) * strip.width + columns.index[tap]);
      wide[row * width + column] = sum;
    }
  }
  const out = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let tap = 4 * row; tap < 4 * row + 4; tap++) {
      const weight = rows.weight[tap];
      const source = (rows.index[tap] - top) * width;
      for (let column = 0; column < width; column++) out[row * width + column] += weight * wide[source + column];
    }
  }
  return out;
}

/** For outputs start..start+count: four source indices and weights each. Keys' cubic, a = -0.5; beyond the edge the nearest value. */
function cubicTaps(start: number, count: number, size: number, scale: number): { index: number[]; weight: number[] } {
  const index: number[] = [];
  const weight: number[] = [];
  for (let i = start; i < start + count; i++) {
    const position = (i + 0.5) / scale - 0.5;
    const first = Math.floor(position) - 1;
    for (let tap = first; tap < first + 4; tap++) {
      index.push(Math.min(Math.max(tap, 0), size - 1));
      weight.push(cubic(Math.abs(position - tap)));
    }
  }
  return { index, weight };
}

function cubic(t: number): number {
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}
