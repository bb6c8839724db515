// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back with the gains, slopes
// and bounds of the source's
// pixels: the formula is in the shader.
// The bytes stay bytes: a pixel is one u32 of a storage buffer.
import file from '../../../shaders/pixels.wgsl';
import type { EnlargedPlanes, Rectangle } from '../backend.js';
import { Shader } from './shader.js';
import type { CommandList, GpuPixels, GpuTensor } from './command-list.js';
import { fraction } from './resize.js';

const SHADER = new Shader('pixels', file);
/** What toPlanes does not read. */
const TO_PLANES = {
  ...{ cropX: 0, cropY: 0, cropW: 0 },
  ...{ sourceH: 0, sourceW: 0, scale: 0, fractionH: [0, 0], fractionW: [0, 0] },
};

export function pixelsToPlanes(
  list: CommandList,
  pixels: GpuPixels,
  alpha: boolean,
): { luma: GpuTensor; chroma: GpuTensor } {
  const { width, height } = pixels;
  const size = width * height;
  const luma = list.tensor([alpha ? 2 : 1, height, width, 1], 'luma');
  const chroma = list.tensor([1, height, width, 2], 'chroma');
  list.dispatch({
    shader: SHADER,
    entryPoint: 'toPlanes',
    constants: { ALPHA: alpha ? 1 : 0 },
    params: { ...TO_PLANES, pixels: size, plane: size, w: width },
    inputs: [pixels],
    outputs: [luma, chroma],
    invocations: size,
  });
  return { luma, chroma };
}

export function planesToPixels(
  list: CommandList,
  { luma, base, gains, chroma, lines: { slopes, low, high } }: EnlargedPlanes<GpuTensor, GpuPixels>,
  crop: Rectangle,
): GpuPixels {
  const [images, h, w] = luma.shape;
  const [, sourceH, sourceW] = chroma.shape;
  const pixels = list.pixels(crop.width, crop.height, 'pixels');
  const invocations = crop.width * crop.height;
  list.dispatch({
    shader: SHADER,
    entryPoint: 'toPixels',
    constants: { ALPHA: images === 2 ? 1 : 0 },
    params: {
      pixels: invocations,
      plane: h * w,
      w,
      cropX: crop.x,
      cropY: crop.y,
      cropW: crop.width,
      sourceH,
      sourceW,
      scale: h / sourceH,
      fractionH: fraction(sourceH, h),
      fractionW: fraction(sourceW, w),
    },
    inputs: [luma, base, gains, chroma, slopes, low, high],
    outputs: [pixels],
    invocations,
  });
  return pixels;
}
