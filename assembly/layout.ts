// layout: [n, c, h, w] <-> [n, h, w, c], a row at a time: a transpose of a matrix, in 4x4 blocks of lanes.
// Reference: src/backends/reference/layout.ts
// Schedule: planes are read or written in 4 streams, 64 pixels long; the NHWC side, where the same lines come back for
// every 4 channels, stays in the cache meanwhile. (Planes are often a power of two apart, so that more streams would
// share one cache set.) The last block of a line begins earlier and repeats values rather than going one by one.

const RUN: i32 = 64; // pixels

/** `w` pixels of c planes, `plane` bytes apart -> [w][c]. */
export function nchwToNhwc(x: usize, y: usize, w: i32, c: i32, plane: usize): void {
  transpose(x, y, w, c, plane, 4, 4, <usize>c << 2);
}

/** [w][c] -> `w` pixels of c planes, `plane` bytes apart. */
export function nhwcToNchw(x: usize, y: usize, w: i32, c: i32, plane: usize): void {
  transpose(x, y, w, c, 4, <usize>c << 2, plane, 4);
}

/**
 * Channels and pixels lie xChannel and xPixel bytes apart in x, yChannel and yPixel in y; what is 4 in one is not in
 * the other.
 */
function transpose(
  x: usize, y: usize, w: i32, c: i32, xChannel: usize, xPixel: usize, yChannel: usize, yPixel: usize,
): void {
  if (w < 4 || c < 4) { // no room for a block
    for (let ci = 0; ci < c; ci++) {
      for (let p = 0; p < w; p++) f32.store(y + yChannel * ci + yPixel * p, f32.load(x + xChannel * ci + xPixel * p));
    }
    return;
  }
  const xRow = xPixel == 4 ? xChannel : xPixel;
  const yRow = yPixel == 4 ? yChannel : yPixel;
  for (let first = 0; first < w; first += RUN) {
    const last = min(first + RUN, w);
    for (let c0 = 0; c0 < c; c0 += 4) {
      const ci = min(c0, c - 4);
      for (let p0 = first; p0 < last; p0 += 4) {
        const p = min(p0, w - 4);
        transpose4x4(x + xChannel * ci + xPixel * p, y + yChannel * ci + yPixel * p, xRow, yRow);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function transpose4x4(from: usize, to: usize, fromRow: usize, toRow: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + fromRow);
  const d = v128.load(from + fromRow * 2);
  const e = v128.load(from + fromRow * 3);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const de0 = v128.shuffle<f32>(d, e, 0, 4, 1, 5);
  const de1 = v128.shuffle<f32>(d, e, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab0, de0, 0, 1, 4, 5));
  v128.store(to + toRow, v128.shuffle<f32>(ab0, de0, 2, 3, 6, 7));
  v128.store(to + toRow * 2, v128.shuffle<f32>(ab1, de1, 0, 1, 4, 5));
  v128.store(to + toRow * 3, v128.shuffle<f32>(ab1, de1, 2, 3, 6, 7));
}
