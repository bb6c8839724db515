// colourLines: along which line the colours around a source pixel lie, and between which bounds.
// pixels (h, w)   luma (1 or 2, h, w, 1), of which only the first image is read   chroma (1, h, w, 2), edges replicated
// slopes (1, h, w, 2): how much Cb and Cr change with Y. Over the 3x3 window, cov and var being means of products less
// products of means:
//   rho = min(1, (cov(Y, Cb)^2 + cov(Y, Cr)^2) / ((var Y + 1e-6) * (var Cb + var Cr + 3e-5)))   1 where all colours lie
//   on one line
//   slope_c = cov(Y, c) / (var Y + 3e-5) * rho^2
// low, high (h, w): minimum - m and maximum + m of R, G, B over the 5x5 window, of A - 4 and + 4 over the 3x3 window,
// saturated to 0..255
//   m = floor(12 + 255 * var Y / (var Y + 0.03) * (10 * max(0, 0.2 - max(|slope_b|, |slope_r|)) + max(0, 0.9 - rho)))
// So coloured edges, text above all, keep to their two colours; textures, and what is grey, are hardly bounded. f64.
import type { RawImage, Tensor } from '../../core/tensor.js';

export interface ColourLines {
  readonly slopes: Tensor;
  readonly low: RawImage;
  readonly high: RawImage;
}

export function colourLines(pixels: RawImage, luma: Tensor, chroma: Tensor): ColourLines {
  const { width, height } = pixels;
  const slopes = new Float32Array(width * height * 2);
  const low = new Uint8ClampedArray(width * height * 4);
  const high = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const moments = momentsAt(luma, chroma, i);
    slopes.set(slopesOf(moments), 2 * i);
    putBounds(low, high, pixels, i, Math.floor(marginOf(moments)));
  }
  return {
    slopes: { data: slopes, shape: [1, height, width, 2] },
    low: { data: low, width, height },
    high: { data: high, width, height },
  };
}

/** Variances and covariances of Y, Cb and Cr in a 3x3 window. */
export interface Moments {
  readonly varY: number;
  readonly varC: number; // of Cb and Cr together
  readonly covB: number;
  readonly covR: number;
}

function momentsAt(luma: Tensor, chroma: Tensor, i: number): Moments {
  const [, h, w] = chroma.shape;
  let [y, b, r, yy, yb, yr, cc] = [0, 0, 0, 0, 0, 0, 0];
  for (const at of windowAt(i, w, h, 1)) {
    const [vy, vb, vr] = [luma.data[at], chroma.data[2 * at], chroma.data[2 * at + 1]];
    y += vy / 9;
    b += vb / 9;
    r += vr / 9;
    yy += (vy * vy) / 9;
    yb += (vy * vb) / 9;
    yr += (vy * vr) / 9;
    cc += (vb * vb + vr * vr) / 9;
  }
  return { varY: yy - y * y, varC: cc - b * b - r * r, covB: yb - y * b, covR: yr - y * r };
}

export function rhoOf({ varY, varC, covB, covR }: Moments): number {
  return Math.min(1, (covB * covB + covR * covR) / ((varY + 1e-6) * (varC + 3e-5)));
}

export function slopesOf(moments: Moments): [b: number, r: number] {
  const factor = rhoOf(moments) ** 2 / (moments.varY + 3e-5);
  return [moments.covB * factor, moments.covR * factor];
}

/** How far R, G and B may leave the range of their surroundings, before it is rounded down. */
export function marginOf(moments: Moments): number {
  const steepest = Math.max(...slopesOf(moments).map(Math.abs));
  const doubt = 10 * Math.max(0, 0.2 - steepest) + Math.max(0, 0.9 - rhoOf(moments));
  return 12 + 255 * (moments.varY / (moments.varY + 0.03)) * doubt;
}

/** Writes pixel i of both images. */
export function putBounds(
  low: Uint8ClampedArray,
  high: Uint8ClampedArray,
  { data, width, height }: RawImage,
  i: number,
  margin: number,
): void {
  for (let channel = 0; channel < 4; channel++) {
    const values = windowAt(i, width, height, channel < 3 ? 2 : 1).map((at) => data[4 * at + channel]);
    const m = channel < 3 ? margin : 4;
    low[4 * i + channel] = Math.min(...values) - m;
    high[4 * i + channel] = Math.max(...values) + m;
  }
}

/** The pixels of the window of radius r around pixel i. */
export function windowAt(i: number, w: number, h: number, r: number): number[] {
  const [x, y] = [i % w, Math.floor(i / w)];
  const clamp = (at: number, size: number): number => Math.min(Math.max(at, 0), size - 1);
  const offsets = Array.from({ length: 2 * r + 1 }, (_, k) => k - r);
  return offsets.flatMap((dy) => offsets.map((dx) => clamp(y + dy, h) * w + clamp(x + dx, w)));
}
