// The dial's 'auto': how much of JPEG's artefacts and noise an image has, and the position that is best for it.
import { measureDegradation } from './degradation.js';
import { jpegQuality } from './jpeg-quality.js';

/** A position on the dial of a model with two ends, and why it was taken. */
export interface Restore {
  /** 0: clean images, 1: the worst JPEGs and noise. */
  readonly value: number;
  /** In English, for people: 'JPEG, quality about 60'. */
  readonly reason: string;
  /** The picture was taken for pixel art, and enlarged by whole pixels instead of the network. */
  readonly pixelArt?: true;
}

/** What 'auto' decides by. */
export interface Evidence {
  /** Of sampleLuma(). */
  readonly luma: Float32Array<ArrayBuffer>;
  /** The first bytes of the file that the image was in, if that is known. */
  readonly file?: Uint8Array<ArrayBuffer>;
}

/** So that pictures of about one kind share a network: positions are multiples of 1 / STEPS. */
const STEPS = 20;

// Where the mean PSNR of 24 training photographs (CID22, BSDS500; half size) is highest with base-x2, through JPEGs of quality 40 to 95 and
// noise of 2 to 15 in each channel. Other sizes and scales have their best positions within 0.1 of these.
/** By a JPEG's quality; linear in between. */
const BY_QUALITY = [
  [50, 1],
  [60, 0.95],
  [75, 0.77],
  [85, 0.6],
  [90, 0.45],
  [95, 0.25],
  [100, 0],
] as const;
/** By noise as it is measured; linear in between. Flat from 2.8 to 3.8, where textured pictures of less noise are, which lose more by it. */
const BY_NOISE = [
  [0.6, 0],
  [1.2, 0.2],
  [2, 0.38],
  [2.8, 0.53],
  [3.8, 0.58],
  [5.2, 0.85],
  [6.5, 0.9],
  [8.5, 1],
] as const;

/** Of independent noise in R, G and B of sigma s, 0.57 s is measured. */
const SIGMA = 1 / 0.57;
/** Noise from here on is worth a word. */
const NOTED = 1.2;

export function judge({ luma, file }: Evidence): Restore {
  const { jpeg, noise } = measureDegradation(luma);
  const inTables = file && jpegQuality(file);
  const quality = inTables ?? jpeg;
  const forQuality = quality === undefined ? 0 : between(BY_QUALITY, quality);
  const forNoise = between(BY_NOISE, noise);
  const both = 1 - (1 - forQuality) * (1 - forNoise);
  const reasons = [
    ...(quality === undefined ? [] : [`JPEG, quality ${inTables === undefined ? 'about ' : ''}${quality}`]),
    ...(noise >= NOTED ? [`noise, sigma about ${Math.round(noise * SIGMA)}`] : []),
  ];
  const value = Math.round(both * STEPS) / STEPS;
  return { value, reason: reasons.join('; ') || (value > 0 ? 'a little noise' : 'clean') };
}

/** The value at x of the line through points of rising x; beyond them that of the last. */
function between(points: readonly (readonly [x: number, y: number])[], x: number): number {
  const next = points.findIndex(([at]) => at >= x);
  if (next <= 0) return points.at(next)![1]; // -1: behind the last
  const [[x0, y0], [x1, y1]] = [points[next - 1], points[next]];
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}
