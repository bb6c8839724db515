// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255 (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back: chroma (1, h / s, w / s, 2) is enlarged by bicubic
// (resize, a = -0.5); clamped to 0..255, rounded half up.
// The bytes stay bytes: a pixel is one u32 of a storage buffer.
import source from '../../../shaders/pixels.wgsl';
import taps from '../../../shaders/resize-taps.wgsl';
import type { Rectangle } from '../backend.js';
import type { Shader } from './device.js';
import { type GpuPixels, type GpuTensor, type Recording, words } from './recording.js';
import { fraction } from './resize.js';

const shader: Shader = { name: 'pixels', source: taps + source };

export function pixelsToPlanes(
  recording: Recording,
  pixels: GpuPixels,
  alpha: boolean,
): { luma: GpuTensor; chroma: GpuTensor } {
  const { width, height } = pixels;
  const size = width * height;
  const luma = recording.tensor([alpha ? 2 : 1, height, width, 1], 'luma');
  const chroma = recording.tensor([1, height, width, 2], 'chroma');
  recording.dispatch({
    shader,
    entryPoint: 'toPlanes',
    constants: { ALPHA: alpha ? 1 : 0 },
    reads: 1,
    writes: 2,
    params: words(size, size, width, 0, 0, width, 0, 0, 0, 0, 0, 0),
    inputs: [pixels],
    outputs: [luma, chroma],
    invocations: size,
  });
  return { luma, chroma };
}

export function planesToPixels(recording: Recording, luma: GpuTensor, chroma: GpuTensor, crop: Rectangle): GpuPixels {
  const [images, h, w] = luma.shape;
  const [, chromaH, chromaW] = chroma.shape;
  const pixels = recording.pixels(crop.width, crop.height, 'pixels');
  const invocations = crop.width * crop.height;
  recording.dispatch({
    shader,
    entryPoint: 'toPixels',
    constants: { ALPHA: images === 2 ? 1 : 0 },
    reads: 2,
    writes: 1,
    params: words(
      invocations,
      h * w,
      w,
      crop.x,
      crop.y,
      crop.width,
      chromaH,
      chromaW,
      ...fraction(chromaH, h),
      ...fraction(chromaW, w),
    ),
    inputs: [luma, chroma],
    outputs: [pixels],
    invocations,
  });
  return pixels;
}
