// Which source pixels an output pixel was gathered from (Figures 5 and 6 of the paper), through stacked CARAFE levels
// as in an FPN: the taps of the last level, each followed down through the level before it.
import { expected } from './errors.js';
import { borderIndex } from './border.js';
import type { Padding } from './shapes.js';
import type { Tensor } from './tensor.js';

/** One reassembly: its kernels (1, groups*kUp^2, h*scale, w*scale), as predictKernels gives them. */
export interface ReassemblyLevel {
  readonly kernels: Tensor;
  readonly scale: number;
  readonly kUp: number;
  readonly groups?: number;
  readonly padding?: Padding;
}

/** A source pixel and what it contributes: the output is the sum of weight times value. */
export interface SourcePixel {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

/**
 * The pixels of the first level's input that made a pixel of the last level's output, the heaviest first.
 * @param levels from the first (the smallest map) to the last; each one's output is as large as the next one's input,
 * or larger (cropped)
 * @param point a pixel of the last output; `group` (default 0) where kernels differ between channels
 * @throws {CarafeError} InvalidOption, ShapeMismatch
 */
export function explainReassembly(
  levels: readonly ReassemblyLevel[],
  point: { x: number; y: number; group?: number },
): SourcePixel[] {
  if (!Array.isArray(levels) || levels.length === 0)
    throw expected('InvalidOption', 'levels', 'at least one level', levels);
  const { x, y, group: wanted = 0 } = checkPoint(point);
  let outputs = new Map<number, number>(); // y * WIDE + x -> weight
  const WIDE = 2 ** 26; // more than any map is wide, so that y and x fit one exact number
  outputs.set(y * WIDE + x, 1);
  for (const [at, level] of [...levels.entries()].reverse()) {
    const { kernels, scale, kUp, groups = 1, padding = 'zero' } = level;
    if (kernels?.shape?.length !== 4)
      throw expected('ShapeMismatch', `levels[${at}].kernels`, 'a tensor { data, shape } of four dimensions', kernels);
    const [, channels, hs, ws] = kernels.shape;
    const taps = kUp * kUp;
    if (channels !== groups * taps)
      throw expected('ShapeMismatch', `levels[${at}].kernels`, `groups * kUp^2 = ${groups * taps} channels`, channels);
    const group = Math.min(wanted, groups - 1);
    const [h, w, r] = [hs / scale, ws / scale, (kUp - 1) / 2];
    const inputs = new Map<number, number>();
    for (const [key, weight] of outputs) {
      const [oy, ox] = [Math.floor(key / WIDE), key % WIDE];
      if (!(oy >= 0 && oy < hs && ox >= 0 && ox < ws))
        throw expected('InvalidOption', 'point', `a pixel of the ${ws}x${hs} output of level ${at}`, `${ox}, ${oy}`);
      for (let tap = 0; tap < taps; tap++) {
        const iy = borderIndex(Math.floor(oy / scale) + Math.floor(tap / kUp) - r, h, padding);
        const ix = borderIndex(Math.floor(ox / scale) + (tap % kUp) - r, w, padding);
        if (iy < 0 || ix < 0) continue; // reads zero
        const kernel = kernels.data[((group * taps + tap) * hs + oy) * ws + ox];
        const source = iy * WIDE + ix;
        inputs.set(source, (inputs.get(source) ?? 0) + weight * kernel);
      }
    }
    outputs = inputs;
  }
  return [...outputs]
    .map(([key, weight]) => ({ x: key % WIDE, y: Math.floor(key / WIDE), weight }))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.y - b.y || a.x - b.x);
}

function checkPoint<P extends { x: number; y: number }>(point: P): P {
  if (!Number.isInteger(point?.x) || !Number.isInteger(point.y))
    throw expected('InvalidOption', 'point', 'a pixel { x, y }', point);
  return point;
}
