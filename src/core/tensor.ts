// Tensors as plain data. Public tensors are NCHW (PyTorch, mmcv); inside the fast backends everything is NHWC.
import type { ClampedBytes } from './platform.js';

/** Four dimensions; which ones is said where it is used: [n, c, h, w] in the public API, [n, h, w, c] inside. */
export type Shape = readonly [number, number, number, number];

/** f32 values in row-major order; `data.length` is the product of `shape`. */
export interface Tensor {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** RGBA8, straight alpha, sRGB, row-major; `data.length` is width * height * 4. */
export interface RawImage {
  readonly data: ClampedBytes;
  readonly width: number;
  readonly height: number;
}

export function elements(shape: Shape): number {
  return shape[0] * shape[1] * shape[2] * shape[3];
}
