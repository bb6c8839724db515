// The signatures of assembly/index.ts: all pointers are bytes into the imported memory. An op computes one row (or a block of them) of one image.
/** The height of a GEMM tile, assembly/gemm.ts: a tile may read so many pixels past the end of its input. */
export const TILE_PIXELS = 5;

export interface Exports {
  nchwToNhwc(x: number, y: number, w: number, c: number, plane: number): void;
  nhwcToNchw(x: number, y: number, w: number, c: number, plane: number): void;
  conv2d(
    rows: number,
    weights: number,
    bias: number,
    residual: number,
    y: number,
    line: number,
    spare: number,
    pixels: number,
    cIn: number,
    cOut: number,
    k: number,
    dilation: number,
    slope: number,
  ): void;
  copy(from: number, to: number, bytes: number, fromStep: number, toStep: number, count: number): void;
  activate(y: number, residual: number, size: number, curve: number, slope: number): void;
  winograd(
    rows: number,
    weights: number,
    bias: number,
    residual: number,
    residualRow: number,
    y: number,
    yRow: number,
    columns: number,
    inputs: number,
    products: number,
    halves: number,
    height: number,
    w: number,
    cIn: number,
    cOut: number,
    batch: number,
    slope: number,
  ): void;
  pixelShuffle(rows: number, pixels: number, line: number, w: number, c: number, s: number): void;
  pixelUnshuffle(pixels: number, rows: number, line: number, w: number, c: number, s: number): void;
  normalizeKernels(x: number, y: number, groups: number, taps: number, subs: number, normalizer: number): void;
  reassemble(
    features: number,
    kernels: number,
    out: number,
    outRow: number,
    outPixel: number,
    outChannel: number,
    table: number,
    w: number,
    c: number,
    pixelBytes: number,
    kernelStep: number,
    s: number,
    kUp: number,
  ): void;
  reassembleSum(
    x: number,
    weights: number,
    bias: number,
    maps: number,
    base: number,
    baseRow: number,
    out: number,
    outRow: number,
    table: number,
    rows: number,
    sums: number,
    spare: number,
    w: number,
    cIn: number,
    s: number,
    kUp: number,
    groups: number,
  ): void;
  resize(
    rows: number,
    rowWeight: number,
    columnIndex: number,
    columnWeight: number,
    mixed: number,
    y: number,
    w: number,
    c: number,
    from: number,
    to: number,
    left: number,
    right: number,
    taps: number,
    scale: number,
  ): void;
  pixelsToPlanes(pixels: number, luma: number, alphas: number, chroma: number, size: number): void;
  planesToPixels(luma: number, alphas: number, chroma: number, pixels: number, width: number): void;
}
