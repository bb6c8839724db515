// The dial's 'auto': how much of JPEG's artefacts and noise an image has, and the position that is best for it.
import { measureDegradation } from './degradation.js';
import { jpegQuality } from './jpeg-quality.js';

/** A position on the dial of a model with two ends, and why it was taken. */
export interface Restore {
  /** 0: clean images, 1: the worst JPEGs and noise. */
  readonly value: number;
  /** In English, for people: 'JPEG, quality about 60'. */
  readonly reason: string;
}

/** What 'auto' decides by. */
export interface Evidence {
  /** Of sampleLuma(). */
  readonly luma: Float32Array<ArrayBuffer>;
  /** The first bytes of the file that the image was in, if that is known. */
  readonly file?: Uint8Array<ArrayBuffer>;
}

/** So that pictures of about one kind share a network. */
const STEPS = 20;

/** Best positions by JPEG quality and by noise, of 255: piecewise linear between these. */
const BY_QUALITY = [
  [50, 1],
  [60, 0.95],
  [75, 0.7],
  [90, 0.5],
  [95, 0.35],
  [100, 0],
] as const;
const BY_NOISE = [
  [1, 0],
  [3, 0.5],
  [5.5, 1],
] as const;

/** From measured noise of luma's high frequencies to the standard deviation in each channel, of 255. */
const SIGMA = 1.9;

export function judge({ luma, file }: Evidence): Restore {
  const { jpeg, noise } = measureDegradation(luma);
  const inTables = file && jpegQuality(file);
  const quality = inTables ?? jpeg;
  const forJpeg = quality === undefined ? 0 : between(BY_QUALITY, quality);
  const forNoise = between(BY_NOISE, noise);
  const value = Math.round(Math.max(forJpeg, forNoise) * STEPS) / STEPS;
  const reasons = [
    ...(quality === undefined ? [] : [`JPEG, quality ${inTables === undefined ? 'about ' : ''}${quality}`]),
    ...(forNoise > 0 ? [`noise, sigma about ${Math.round(noise * SIGMA)}`] : []),
  ];
  return { value, reason: reasons.join('; ') || 'clean' };
}

/** The value at x of the curve through points of rising x; beyond them that of the last. */
function between(points: readonly (readonly [x: number, y: number])[], x: number): number {
  const next = points.findIndex(([at]) => at >= x);
  if (next <= 0) return points.at(next)![1]; // -1: behind the last
  const [[x0, y0], [x1, y1]] = [points[next - 1], points[next]];
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}
