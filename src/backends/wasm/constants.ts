// What the kernels and their callers must agree on. One text, compiled twice: by TypeScript into the package, and by
// asc into the wasm builds.

/** Pixels of a GEMM tile, and blocks of a Winograd tile. A tile at the end of a row reads pixels past it. */
export const TILE_PIXELS = 5;

/**
 * Output channels of a GEMM tile: weights come in blocks of so many (pack.ts), or half so many where no more are left.
 */
export const TILE_CHANNELS = 8;

/** Channels of the widest tile of reassemble. */
export const REASSEMBLE_CHANNELS = 20;

/** `normalizer` of normalizeKernels. */
export const SOFTMAX = 0;
export const SIGMOID = 1;
export const SIGMOID_NORMALIZED = 2;

/** `curve` of activate. */
export const SILU = 0;
export const HARDSWISH = 1;
export const ANY_SLOPE = 2;

/** The points of Winograd's F(4x4, 3x3) are 0, A, -A, B, -B and infinity. */
export const WINOGRAD_A = 0.625;
export const WINOGRAD_B = 1.5;

/** `operation` of arithmetic. */
export const ADD = 0;
export const MULTIPLY = 1;
export const DIVIDE = 2;
export const MINIMUM = 3;
export const MAXIMUM = 4;
