// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2).
// Back, of luma and base (1 or 2, h*s, w*s, 1); gains (1 or 2, h, w, 2), slopes, low and high (h, w) are those of the
// source pixel:
//   y = gain_a * clamp(luma, 0, 1) + gain_b;  C = bicubic(chroma, a = -0.5) + slope_C * (y - base);  alpha like y
//   RGBA = clamp(floor(255 * value + 0.5), low, high)
import type { EnlargedPlanes, Rectangle } from '../backend.js';
import type { RawImage, Tensor } from '../../core/tensor.js';
import { resize } from './resize.js';

export function pixelsToPlanes({ data, width, height }: RawImage, alpha: boolean): { luma: Tensor; chroma: Tensor } {
  const size = width * height;
  const luma = new Float32Array(alpha ? size * 2 : size);
  const chroma = new Float32Array(size * 2);
  for (let i = 0; i < size; i++) {
    const r = data[4 * i] / 255;
    const g = data[4 * i + 1] / 255;
    const b = data[4 * i + 2] / 255;
    const y = 0.299 * r + 0.587 * g + 0.114 * b;
    luma[i] = y;
    chroma[2 * i] = (b - y) / 1.772;
    chroma[2 * i + 1] = (r - y) / 1.402;
    if (alpha) luma[size + i] = data[4 * i + 3] / 255;
  }
  return {
    luma: { data: luma, shape: [alpha ? 2 : 1, height, width, 1] },
    chroma: { data: chroma, shape: [1, height, width, 2] },
  };
}

export function planesToPixels(
  { luma, base, gains, chroma, lines }: EnlargedPlanes<Tensor, RawImage>,
  crop: Rectangle,
): RawImage {
  const [images, h, w] = luma.shape;
  const [, sourceH, sourceW] = chroma.shape;
  const enlarged = resize(chroma, h, w, 'bicubic', -0.5).data;
  const { slopes, low, high } = lines;
  const data = new Uint8ClampedArray(crop.width * crop.height * 4);
  let target = 0;
  for (let oy = crop.y; oy < crop.y + crop.height; oy++) {
    for (let ox = crop.x; ox < crop.x + crop.width; ox++) {
      const i = oy * w + ox;
      const source = Math.floor((oy * sourceH) / h) * sourceW + Math.floor((ox * sourceW) / w);
      const adjusted = (image: number): number => {
        const at = 2 * (image * sourceH * sourceW + source);
        return gains.data[at] * Math.min(Math.max(luma.data[image * h * w + i], 0), 1) + gains.data[at + 1];
      };
      const y = adjusted(0);
      const step = y - base.data[i];
      const cb = enlarged[2 * i] + slopes.data[2 * source] * step;
      const cr = enlarged[2 * i + 1] + slopes.data[2 * source + 1] * step;
      const r = y + 1.402 * cr;
      const b = y + 1.772 * cb;
      const g = (y - 0.299 * r - 0.114 * b) / 0.587;
      for (const v of [r, g, b, images === 2 ? adjusted(1) : 1]) {
        const byte = Math.min(Math.max(Math.floor(v * 255 + 0.5), 0), 255);
        const at = 4 * source + (target & 3);
        data[target++] = Math.min(Math.max(byte, low.data[at]), high.data[at]);
      }
    }
  }
  return { data, width: crop.width, height: crop.height };
}
