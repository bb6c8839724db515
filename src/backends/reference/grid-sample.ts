// gridSample: x where each output pixel says, bilinear, edges replicated.
// x (n, h, w, c)   offsets (n, H, W, 2*groups), horizontal then vertical -> (n, H, W, c); a position is
// (ox + 0.5) * w/W - 0.5 + offset, clamped to 0..w-1. torch F.grid_sample(align_corners=False, padding_mode='border').
// In f64.
import { gridSampleShape } from '../../core/shapes.js';
import { elements, type Tensor } from '../../core/tensor.js';

export function gridSample(x: Tensor, offsets: Tensor, groups: number): Tensor {
  const shape = gridSampleShape(x.shape, offsets.shape, groups);
  const [, height, width, c] = shape;
  const y = new Float32Array(elements(shape));
  for (let target = 0; target < y.length; target++) {
    const pixel = Math.floor(target / c);
    const group = Math.floor((target % c) / (c / groups));
    y[target] = sampleAt(x, Math.floor(pixel / width / height), target % c, ...positionAt(x, offsets, pixel, group));
  }
  return { data: y, shape };
}

/** Where output pixel `pixel`, over all images, samples a group of x: not yet clamped. */
export function positionAt(x: Tensor, offsets: Tensor, pixel: number, group: number): [y: number, x: number] {
  const [, height, width, both] = offsets.shape;
  const at = (axis: 0 | 1, o: number, size: number, outSize: number): number =>
    ((2 * o + 1) * size - outSize) / (2 * outSize) + offsets.data[pixel * both + axis * (both / 2) + group];
  return [at(1, Math.floor(pixel / width) % height, x.shape[1], height), at(0, pixel % width, x.shape[2], width)];
}

function sampleAt(
  { data, shape: [, h, w, c] }: Tensor,
  image: number,
  channel: number,
  py: number,
  px: number,
): number {
  const [sy, sx] = [Math.min(Math.max(py, 0), h - 1), Math.min(Math.max(px, 0), w - 1)];
  const [y0, x0] = [Math.floor(sy), Math.floor(sx)];
  const [y1, x1] = [Math.min(y0 + 1, h - 1), Math.min(x0 + 1, w - 1)];
  const [fy, fx] = [sy - y0, sx - x0];
  const at = (iy: number, ix: number): number => data[((image * h + iy) * w + ix) * c + channel];
  return (1 - fy) * ((1 - fx) * at(y0, x0) + fx * at(y0, x1)) + fy * ((1 - fx) * at(y1, x0) + fx * at(y1, x1));
}
