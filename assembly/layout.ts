// layout: [n, c, h, w] <-> [n, h, w, c]: n transposes of a matrix [rows, columns], in 4x4 blocks of lanes.
// Reference: src/backends/reference/layout.ts
// Schedule: planes are read or written in 4 streams, 64 pixels long; the NHWC side, where the same lines come back for every 4 channels,
// stays in the cache meanwhile. (Planes are often a power of two apart, so that more streams would share one cache set.)

const RUN: i32 = 64; // pixels

export function nchwToNhwc(x: usize, y: usize, n: i32, c: i32, h: i32, w: i32): void {
  const size = h * w;
  const xRow: usize = <usize>size << 2;
  const yRow: usize = <usize>c << 2;
  const size4 = size & ~3;
  const c4 = c & ~3;
  for (let i = 0; i < n; i++) {
    for (let first = 0; first < size4; first += RUN) {
      const last = min(first + RUN, size4);
      for (let ci = 0; ci < c4; ci += 4) {
        for (let p = first; p < last; p += 4) transpose4x4(x + xRow * ci + (<usize>p << 2), y + yRow * p + (<usize>ci << 2), xRow, yRow);
      }
    }
    copyTransposed(x, y, xRow, yRow, 0, c4, size4, size);
    copyTransposed(x, y, xRow, yRow, c4, c, 0, size);
    x += xRow * c;
    y += xRow * c;
  }
}

export function nhwcToNchw(x: usize, y: usize, n: i32, h: i32, w: i32, c: i32): void {
  const size = h * w;
  const bytes: usize = <usize>(size * c) << 2;
  for (let i = 0; i < n; i++) toPlanes(x + bytes * i, y + bytes * i, size, c, <usize>c << 2, <usize>size << 2);
}

/** x [pixels][channels], pixels `step` bytes apart -> y [channels][pixels], channels `plane` bytes apart. */
export function toPlanes(x: usize, y: usize, pixels: i32, channels: i32, step: usize, plane: usize): void {
  const pixels4 = pixels & ~3;
  const channels4 = channels & ~3;
  for (let first = 0; first < pixels4; first += RUN) {
    const last = min(first + RUN, pixels4);
    for (let c = 0; c < channels4; c += 4) {
      for (let p = first; p < last; p += 4) transpose4x4(x + step * p + (<usize>c << 2), y + plane * c + (<usize>p << 2), step, plane);
    }
  }
  copyTransposed(x, y, step, plane, 0, pixels4, channels4, channels);
  copyTransposed(x, y, step, plane, pixels4, pixels, 0, channels);
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

/** The rectangle of rows and columns that the 4x4 blocks leave over. */
function copyTransposed(x: usize, y: usize, xRow: usize, yRow: usize, firstRow: i32, lastRow: i32, firstColumn: i32, lastColumn: i32): void {
  for (let r = firstRow; r < lastRow; r++) {
    for (let c = firstColumn; c < lastColumn; c++) f32.store(y + yRow * c + (<usize>r << 2), f32.load(x + xRow * r + (<usize>c << 2)));
  }
}
