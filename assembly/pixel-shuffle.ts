// pixelShuffle: out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx]; pixelUnshuffle is its inverse.
// rows (n, h, w, c*s*s)   pixels (n, h*s, w*s, c).
// Reference: src/backends/reference/pixel-shuffle.ts. Only at the edge of the operator API: inside, kernels stay rows.

/** One row of w rows -> s rows of pixels, `line` bytes apart. */
export function pixelShuffle(rows: usize, pixels: usize, line: usize, w: i32, c: i32, s: i32): void {
  for (let x = 0; x < w; x++) {
    for (let ci = 0; ci < c; ci++) {
      for (let sy = 0; sy < s; sy++) {
        let pixel = pixels + line * sy + (<usize>(x * s * c + ci) << 2);
        for (let sx = 0; sx < s; sx++) {
          f32.store(pixel, f32.load(rows));
          pixel += <usize>c << 2;
          rows += 4;
        }
      }
    }
  }
}

/** s rows of pixels, `line` bytes apart -> one row of w rows. */
export function pixelUnshuffle(pixels: usize, rows: usize, line: usize, w: i32, c: i32, s: i32): void {
  for (let x = 0; x < w; x++) {
    for (let ci = 0; ci < c; ci++) {
      for (let sy = 0; sy < s; sy++) {
        let pixel = pixels + line * sy + (<usize>(x * s * c + ci) << 2);
        for (let sx = 0; sx < s; sx++) {
          f32.store(rows, f32.load(pixel));
          pixel += <usize>c << 2;
          rows += 4;
        }
      }
    }
  }
}
