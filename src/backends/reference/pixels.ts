// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back: chroma (1, h / s, w /
// s, 2) is enlarged by bicubic (resize, a = -0.5); clamped to 0..255, rounded half up.
import type { Rectangle } from '../backend.js';
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

export function planesToPixels(luma: Tensor, smallChroma: Tensor, crop: Rectangle): RawImage {
  const [images, h, w] = luma.shape;
  const chroma = resize(smallChroma, h, w, 'bicubic', -0.5);
  const data = new Uint8ClampedArray(crop.width * crop.height * 4);
  let target = 0;
  for (let oy = 0; oy < crop.height; oy++) {
    for (let ox = 0; ox < crop.width; ox++) {
      const i = (crop.y + oy) * w + crop.x + ox;
      const y = luma.data[i];
      const cb = chroma.data[2 * i];
      const cr = chroma.data[2 * i + 1];
      const r = y + 1.402 * cr;
      const b = y + 1.772 * cb;
      const g = (y - 0.299 * r - 0.114 * b) / 0.587;
      data[target++] = Math.floor(r * 255 + 0.5);
      data[target++] = Math.floor(g * 255 + 0.5);
      data[target++] = Math.floor(b * 255 + 0.5);
      data[target++] = images === 2 ? Math.floor(luma.data[h * w + i] * 255 + 0.5) : 255;
    }
  }
  return { data, width: crop.width, height: crop.height };
}
