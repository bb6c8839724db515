// Tensors as plain data. Public tensors are NCHW (PyTorch, mmcv); inside the fast backends everything is NHWC.
import type { ClampedBytes, Global } from './platform.js';

/** Four dimensions; which ones is said where it is used: [n, c, h, w] in the public API, [n, h, w, c] inside. */
export type Shape = readonly [number, number, number, number];

/** f32 values in row-major order; `data.length` is the product of `shape`. */
export interface Tensor {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** What the values of an image mean. The networks take and give either. */
export type ColorSpace = 'srgb' | 'display-p3';

/** RGBA8, straight alpha, row-major; `data.length` is width * height * 4. */
export interface RawImage {
  readonly data: ClampedBytes;
  readonly width: number;
  readonly height: number;
  /** Absent: 'srgb'. */
  readonly colorSpace?: ColorSpace;
}

/**
 * RGBA, straight alpha, row-major, width * height * 4 values: bytes, or 0..1 in a Float16Array as in ImageData of that
 * format.
 */
export interface RgbaPixels {
  readonly data: Uint8ClampedArray | Uint8Array | Global<'Float16Array'>;
  readonly width: number;
  readonly height: number;
  /** Default 'srgb'; a result has that of its image. */
  readonly colorSpace?: ColorSpace;
}

export function elements(shape: Shape): number {
  return shape[0] * shape[1] * shape[2] * shape[3];
}
