// The signatures of assembly/index.ts: all pointers are bytes into the imported memory.
export interface Exports {
  nchwToNhwc(x: number, y: number, n: number, c: number, h: number, w: number): void;
  nhwcToNchw(x: number, y: number, n: number, h: number, w: number, c: number): void;
  conv2d(x: number, weights: number, bias: number, residual: number, y: number, line: number, spare: number,
    h: number, w: number, cIn: number, cOut: number, k: number, dilation: number, slope: number): void;
  activate(y: number, residual: number, size: number, silu: boolean): void;
  winograd(x: number, weights: number, bias: number, residual: number, y: number, columns: number, inputs: number, products: number, block: number,
    h: number, w: number, cIn: number, cOut: number, groups: number, slope: number): void;
  pixelShuffle(rows: number, pixels: number, h: number, w: number, c: number, s: number): void;
  pixelUnshuffle(pixels: number, rows: number, h: number, w: number, c: number, s: number): void;
  normalizeKernels(x: number, y: number, groups: number, taps: number, subs: number, normalizer: number): void;
  reassemble(features: number, rows: number, out: number, yTaps: number, xTaps: number, zeros: number, table: number, block: number,
    h: number, w: number, c: number, s: number, kUp: number, groups: number, segment: number): void;
  reassembleSum(x: number, weights: number, bias: number, maps: number, base: number, out: number, padded: number, table: number, rows: number, sums: number, spare: number,
    h: number, w: number, cIn: number, s: number, kUp: number, groups: number): void;
  resize(x: number, y: number, rowIndex: number, rowWeight: number, columnIndex: number, columnWeight: number, mixed: number,
    w: number, c: number, height: number, width: number, taps: number): void;
  pixelsToPlanes(pixels: number, luma: number, chroma: number, size: number, alpha: boolean): void;
  planesToPixels(luma: number, alphas: number, chroma: number, pixels: number, w: number, left: number, top: number, width: number, height: number): void;
}
