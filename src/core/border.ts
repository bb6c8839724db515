// What a window reads outside the map it lies on. Apart from shapes.ts, so that a page loads this alone.
import type { Padding } from './shapes.js';

/**
 * The source index for a tap at `i`, possibly outside 0..size-1; -1 where the tap reads zero. Source: numpy.pad's edge
 * and reflect.
 */
export function borderIndex(i: number, size: number, padding: Padding): number {
  if (i >= 0 && i < size) return i;
  if (padding === 'zero') return -1;
  if (padding === 'replicate') return i < 0 ? 0 : size - 1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const phase = ((i % period) + period) % period;
  return phase < size ? phase : period - phase;
}
