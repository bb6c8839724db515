// What an image's degradation is measured on (degradation.ts): small windows spread over it, cut on the caller's thread.
import type { RawImage } from '../core/tensor.js';

/** Pixels a side: 4x4 whole blocks of 8x8 at every offset of their grid. */
export const WINDOW = 39;
/** Windows along an axis: one for so many pixels. Soft images need many to show their blocks. */
const WINDOWS = { for: 150, few: 3, many: 8 };

/** Luma 0..255 of windows spread over the image, WINDOW * WINDOW values each; none of images smaller than one. */
export function sampleLuma({ data, width, height }: RawImage): Float32Array<ArrayBuffer> {
  const [columns, rows] = [starts(width), starts(height)];
  const luma = new Float32Array(columns.length * rows.length * WINDOW * WINDOW);
  let to = 0;
  for (const top of rows) {
    for (const left of columns) {
      for (let y = 0; y < WINDOW; y++) {
        let from = ((top + y) * width + left) * 4;
        for (let x = 0; x < WINDOW; x++, from += 4)
          luma[to++] = 0.299 * data[from] + 0.587 * data[from + 1] + 0.114 * data[from + 2];
      }
    }
  }
  return luma;
}

/** Where windows begin on an axis: all on multiples of 8. */
function starts(size: number): number[] {
  const last = Math.floor((size - WINDOW) / 8);
  const wanted = Math.min(Math.max(Math.round(size / WINDOWS.for), WINDOWS.few), WINDOWS.many);
  const count = Math.min(wanted, Math.floor(size / (WINDOW - 7)));
  if (last < 0) return [];
  return count < 2
    ? [8 * (last >> 1)]
    : Array.from({ length: count }, (_, i) => 8 * Math.round((i * last) / (count - 1)));
}
