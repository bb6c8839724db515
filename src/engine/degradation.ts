// What an image went through before it came here, as far as its pixels show: JPEG compression, also where the picture
// was cropped or converted since, and noise. Looks at 9 to 64 windows of 39x39 pixels, closely at as many blocks in them
// as it takes.
//
// A decoded JPEG keeps the lattice of its quantisation: in the grid of 8x8 blocks that the encoder cut, each DCT
// coefficient of luma is a multiple of its step, give or take the rounding to 8 bit. The grid is the offset where a high
// frequency is smallest (most are quantised to zero); the step of a coefficient is the largest q with cos(2 pi c / q)
// near 1 over the blocks where it is not zero (Fan and de Queiroz 2003 do as much with likelihoods). Noise has no
// lattice: its strength is what the smoothest blocks keep of high frequencies, if they have no more of middle ones, as
// texture has.
import { type QuantisationStep, qualityOfSteps } from './jpeg-quality.js';
import { WINDOW } from './luma-windows.js';

export interface Degradation {
  /** As of libjpeg, 1..100; undefined where no compression shows, which above 97 is always so. */
  readonly jpeg?: number;
  /** Standard deviation of luma's noise, of 255. */
  readonly noise: number;
}

/** basis[u][x]: the orthonormal DCT-II of 8 values, as JPEG's. */
const BASIS = Array.from({ length: 8 }, (_, u) =>
  Float32Array.from(
    { length: 8 },
    (_, x) => Math.cos(((2 * x + 1) * u * Math.PI) / 16) * (u === 0 ? Math.SQRT1_2 / 2 : 0.5),
  ),
);

/** In soft images no offset stands out: from so many windows on, where there is time, that of an image that was not cropped is tried too. */
const SOFT = 16;

/** @param samples of sampleLuma() */
export function measureDegradation(samples: Float32Array): Degradation {
  const windows = Array.from({ length: samples.length / (WINDOW * WINDOW) }, (_, i) =>
    samples.subarray(i * WINDOW * WINDOW, (i + 1) * WINDOW * WINDOW),
  );
  if (windows.length === 0) return { noise: 0 };
  const found = gridOffset(windows);
  let spectra = spectraOfBlocks(windows, found);
  let steps = quantisationSteps(spectra);
  if (steps.length < STEPS_NEEDED && windows.length >= SOFT && (found.x > 0 || found.y > 0)) {
    spectra = spectraOfBlocks(windows, { x: 0, y: 0 });
    steps = quantisationSteps(spectra);
  }
  const jpeg = steps.length >= STEPS_NEEDED ? qualityOfSteps(steps) : 100;
  const { high, noise } = highFrequencies(spectra);
  // High frequencies that a JPEG of this quality would have lost: it is a pattern that fits the lattice by chance.
  const contradicted = jpeg < MAY_BE_NOISY && high > 1;
  return { ...(jpeg < 100 && !contradicted && { jpeg }), noise };
}

/** Where blocks begin: the offset at which the coefficient (5, 5) is smallest on the average. */
function gridOffset(windows: readonly Float32Array[]): { x: number; y: number } {
  const LARGE = 4; // coefficients count up to this, so that edges do not decide
  const [b0, b1, b2, b3] = BASIS[5]; // antisymmetric
  const size = WINDOW - 7;
  const sums = new Float64Array(64);
  const across = new Float32Array(WINDOW * size);
  for (const luma of windows) {
    for (let y = 0; y < WINDOW; y++) {
      for (let x = 0; x < size; x++) {
        const i = y * WINDOW + x;
        across[y * size + x] =
          b0 * (luma[i] - luma[i + 7]) +
          b1 * (luma[i + 1] - luma[i + 6]) +
          b2 * (luma[i + 2] - luma[i + 5]) +
          b3 * (luma[i + 3] - luma[i + 4]);
      }
    }
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const i = y * size + x;
        const c =
          b0 * (across[i] - across[i + 7 * size]) +
          b1 * (across[i + size] - across[i + 6 * size]) +
          b2 * (across[i + 2 * size] - across[i + 5 * size]) +
          b3 * (across[i + 3 * size] - across[i + 4 * size]);
        sums[(y & 7) * 8 + (x & 7)] += Math.min(Math.abs(c), LARGE);
      }
    }
  }
  const smallest = sums.indexOf(Math.min(...sums));
  return { x: smallest & 7, y: smallest >> 3 };
}

/** Coefficients that are seldom zero in photographs, and some of large steps, which show at qualities over 90. */
const WATCHED = [1, 8, 9, 2, 16, 18, 3, 24, 4, 32, 27, 12];
/** Of both axes the higher half. */
const HIGH = [4, 5, 6, 7].flatMap((u) => [4, 5, 6, 7].map((v) => u * 8 + v));
const MIDDLE = [27, 28, 35, 20, 34];
const NEEDED = [...new Set([...WATCHED, ...HIGH, ...MIDDLE])];

/** By a coefficient's index its size in each block. */
type Spectra = readonly Float32Array[];

/** Blocks of a window, at most. */
const BLOCKS = 16;
/** So many blocks say as much as all of them, if so many of their watched coefficients are not zero: a soft image needs more. */
const ENOUGH = { blocks: 10 * BLOCKS, coefficients: 1500 };

/** Of the blocks that are not clipped, from windows all over the image, until there are enough. */
function spectraOfBlocks(windows: readonly Float32Array[], offset: { x: number; y: number }): Spectra {
  const spectra: Float32Array[] = [];
  for (const index of NEEDED) spectra[index] = new Float32Array(windows.length * BLOCKS);
  const across = new Float32Array(64);
  const folded = new Float32Array(8);
  let [blocks, notZero] = [0, 0];
  for (const luma of spread(windows)) {
    if (blocks >= ENOUGH.blocks && notZero >= ENOUGH.coefficients) break;
    for (let top = offset.y; top + 8 <= WINDOW; top += 8) {
      for (let left = offset.x; left + 8 <= WINDOW; left += 8) {
        let [low, high] = [255, 0];
        for (let y = 0; y < 8; y++) {
          const row = (top + y) * WINDOW + left;
          for (let x = 0; x < 4; x++) {
            const [a, b] = [luma[row + x], luma[row + 7 - x]];
            low = Math.min(low, a, b);
            high = Math.max(high, a, b);
            folded[x] = a + b;
            folded[4 + x] = a - b;
          }
          for (let v = 0; v < 8; v++) {
            const basis = BASIS[v];
            const half = 4 * (v & 1); // even frequencies are symmetric, odd ones antisymmetric
            across[y * 8 + v] =
              basis[0] * folded[half] +
              basis[1] * folded[half + 1] +
              basis[2] * folded[half + 2] +
              basis[3] * folded[half + 3];
          }
        }
        if (low < 2 || high > 253) continue;
        for (const index of NEEDED) {
          const basis = BASIS[index >> 3];
          let sum = 0;
          for (let y = 0; y < 8; y++) sum += basis[y] * across[y * 8 + (index & 7)];
          spectra[index][blocks] = Math.abs(sum);
        }
        for (const index of WATCHED) if (spectra[index][blocks] > SMALLEST) notZero++;
        blocks++;
      }
    }
  }
  return spectra.map((values) => values.subarray(0, blocks));
}

/** All of them, those first that `ENOUGH` needs, which are from everywhere. */
function* spread<T>(items: readonly T[]): Generator<T, void, void> {
  const stride = Math.ceil((items.length * BLOCKS) / ENOUGH.blocks);
  for (let first = 0; first < stride; first++) for (let i = first; i < items.length; i += stride) yield items[i];
}

const MAY_BE_NOISY = 92; // from this quality on JPEGs keep a noise of 1 or more
const STEPS_NEEDED = 3; // of the watched coefficients: one or two may look like a lattice by chance
const LARGEST_STEP = 40;
/** A coefficient up to this is zero: half the smallest step. */
const SMALLEST = 1;
/** After so many values, steps of a mean below this are not looked at further. */
const GLANCE = { values: 24, least: 0.15 };
const COSINE = Float32Array.from({ length: 256 }, (_, i) => Math.cos((2 * Math.PI * i) / 256));

/** The steps that show, of the watched coefficients. */
function quantisationSteps(spectra: Spectra): QuantisationStep[] {
  return WATCHED.map((index) => ({ index, step: largestStep(spectra[index]) })).filter(({ step }) => step > 0);
}

/**
 * The largest q of which the values are multiples, or 0. Values that share no step have cosines of mean 0 and variance
 * 1/2, so the mean of n has to be 4 standard deviations over that; rounding to 8 bit leaves 0.55 of a lattice of step 2,
 * 0.8 of 3.
 */
function largestStep(values: Float32Array): number {
  const means: { q: number; mean: number }[] = [];
  const notZero = values.filter((value) => value > SMALLEST);
  for (let q = 2; q <= LARGEST_STEP; q++) {
    let [sum, count] = [0, 0];
    const turn = 256 / q;
    for (const value of notZero) {
      if (value <= q / 2) continue;
      sum += COSINE[(value * turn) & 255];
      if (++count === GLANCE.values && sum < GLANCE.least * count) break;
    }
    if (count < 6) break; // larger steps have fewer
    if (sum > 4 * Math.sqrt(count / 2) && sum > 0.35 * count) means.push({ q, mean: sum / count });
  }
  const best = Math.max(...means.map(({ mean }) => mean));
  return means.findLast(({ mean }) => mean > 0.8 * best)?.q ?? 0; // its divisors fit as well
}

/** Texture has this many times as much of middle frequencies as of high ones, or more; noise, which is white, has as much. */
const TEXTURE = 2;
const WHITE = 1.1;

/** Root mean square of the high frequencies in the smoothest tenth of the blocks, and what of it is noise and not texture. */
function highFrequencies(spectra: Spectra): { high: number; noise: number } {
  const [high, middle] = [meanSquares(spectra, HIGH), meanSquares(spectra, MIDDLE)];
  const smoothest = [...high.keys()]
    .sort((a, b) => high[a] + middle[a] - high[b] - middle[b])
    .slice(0, Math.max(6, Math.floor(high.length / 10)));
  const mean = (energy: Float32Array): number => smoothest.reduce((sum, i) => sum + energy[i], 0) / smoothest.length;
  const energyHigh = mean(high);
  if (!(energyHigh > 0)) return { high: 0, noise: 0 }; // no blocks, or flat ones
  const share = Math.min(1, Math.max(0, (TEXTURE - mean(middle) / energyHigh) / (TEXTURE - WHITE)));
  const rms = Math.sqrt(energyHigh);
  return { high: rms, noise: rms * share };
}

/** Of some coefficients, by block. */
function meanSquares(spectra: Spectra, indices: readonly number[]): Float32Array {
  return spectra[indices[0]].map(
    (_, i) => indices.reduce((sum, index) => sum + spectra[index][i] ** 2, 0) / indices.length,
  );
}
