// Bicubic and Lanczos at whole scales, to compare with: MATLAB's and PIL's bicubic (a browser's own is softer) and
// Lanczos of three lobes. Both axes apart, on premultiplied values, edges replicated.

export const FILTERS = {
  bicubic: { radius: 2, weight: cubic },
  lanczos: { radius: 3, weight: lanczos3 },
} as const;

export type Filter = keyof typeof FILTERS;

/** Keys 1981, a = -0.5. */
function cubic(t: number): number {
  if (t <= 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

function lanczos3(t: number): number {
  if (t === 0) return 1;
  const x = Math.PI * t;
  return t < 3 ? (3 * Math.sin(x) * Math.sin(x / 3)) / (x * x) : 0;
}

/** Yields now and then, so that the page lives on: run it in slices. */
export function* resampling(image: ImageData, scale: number, filter: Filter): Generator<void, ImageData, void> {
  const { width, height } = image;
  const { radius } = FILTERS[filter];
  const taps = 2 * radius;
  const phases = Array.from({ length: scale }, (_, phase) => weightsOf(phase, scale, filter));
  const output = new ImageData(width * scale, height * scale);
  const rows = Array.from({ length: taps }, () => new Float32Array(4 * width * scale)); // source row y is in y % taps
  const line = new Float32Array(4 * width);
  let made = -1; // the last source row that is in `rows`
  const bytes = 4 * width * scale;
  for (let oy = 0; oy < height * scale; oy++) {
    if (oy % 8 === 0) yield;
    const { first, weights } = phases[oy % scale];
    const top = Math.floor(oy / scale) + first;
    while (made < Math.min(top + taps, height) - 1) {
      made++;
      premultiply(image.data, 4 * width * made, line);
      enlargeRow(line, rows[made % taps], width, scale, phases, taps);
    }
    const sources = weights.map((_, tap) => rows[Math.min(Math.max(top + tap, 0), height - 1) % taps]);
    for (let i = 0; i < bytes; i += 4) {
      let [r, g, b, a] = [0, 0, 0, 0];
      for (let tap = 0; tap < taps; tap++) {
        const [row, weight] = [sources[tap], weights[tap]];
        r += row[i] * weight;
        g += row[i + 1] * weight;
        b += row[i + 2] * weight;
        a += row[i + 3] * weight;
      }
      const unmultiply = a > 0 ? 255 / a : 0;
      const o = oy * bytes + i;
      output.data[o] = r * unmultiply;
      output.data[o + 1] = g * unmultiply;
      output.data[o + 2] = b * unmultiply;
      output.data[o + 3] = a;
    }
  }
  return output;
}

interface Phase {
  readonly first: number; // of the taps, from the source pixel that the output pixel lies in
  readonly weights: readonly number[];
}

function weightsOf(phase: number, scale: number, filter: Filter): Phase {
  const { radius, weight } = FILTERS[filter];
  const centre = (phase + 0.5) / scale - 0.5;
  const first = Math.floor(centre) - radius + 1;
  const weights = Array.from({ length: 2 * radius }, (_, tap) => weight(Math.abs(centre - first - tap)));
  const sum = weights.reduce((a, b) => a + b);
  return { first, weights: weights.map((value) => value / sum) };
}

function premultiply(data: Uint8ClampedArray, start: number, into: Float32Array): void {
  for (let i = 0; i < into.length; i += 4) {
    const a = data[start + i + 3];
    for (let c = 0; c < 3; c++) into[i + c] = (data[start + i + c] * a) / 255;
    into[i + 3] = a;
  }
}

function enlargeRow(
  from: Float32Array,
  into: Float32Array,
  width: number,
  scale: number,
  phases: readonly Phase[],
  taps: number,
): void {
  for (let x = 0; x < width; x++) {
    for (let phase = 0; phase < scale; phase++) {
      const { first, weights } = phases[phase];
      let [r, g, b, a] = [0, 0, 0, 0];
      for (let tap = 0; tap < taps; tap++) {
        const i = 4 * Math.min(Math.max(x + first + tap, 0), width - 1);
        const weight = weights[tap];
        r += from[i] * weight;
        g += from[i + 1] * weight;
        b += from[i + 2] * weight;
        a += from[i + 3] * weight;
      }
      into.set([r, g, b, a], 4 * (x * scale + phase));
    }
  }
}
