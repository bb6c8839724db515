// layout: [n, c, h, w] <-> [n, h, w, c]: n transposes of a matrix [rows, columns], in 4x4 blocks of lanes.
// Reference: src/backends/reference/layout.ts
// Schedule: blocks of 4 rows run along the columns, so that reads are 4 streams and writes fill whole cache lines for c >= 16.

export function nchwToNhwc(x: usize, y: usize, n: i32, c: i32, h: i32, w: i32): void {
  transposeEach(x, y, n, c, h * w);
}

export function nhwcToNchw(x: usize, y: usize, n: i32, h: i32, w: i32, c: i32): void {
  transposeEach(x, y, n, h * w, c);
}

function transposeEach(x: usize, y: usize, n: i32, rows: i32, columns: i32): void {
  const bytes: usize = (<usize>rows * columns) << 2;
  for (let i = 0; i < n; i++) transpose(x + bytes * i, y + bytes * i, rows, columns);
}

function transpose(x: usize, y: usize, rows: i32, columns: i32): void {
  const xRow: usize = <usize>columns << 2;
  const yRow: usize = <usize>rows << 2;
  const rows4 = rows & ~3;
  const columns4 = columns & ~3;
  for (let r = 0; r < rows4; r += 4) {
    let from = x + xRow * r;
    let to = y + (<usize>r << 2);
    for (let c = 0; c < columns4; c += 4) {
      const a = v128.load(from);
      const b = v128.load(from + xRow);
      const d = v128.load(from + xRow * 2);
      const e = v128.load(from + xRow * 3);
      const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const de0 = v128.shuffle<f32>(d, e, 0, 4, 1, 5);
      const de1 = v128.shuffle<f32>(d, e, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(ab0, de0, 0, 1, 4, 5));
      v128.store(to + yRow, v128.shuffle<f32>(ab0, de0, 2, 3, 6, 7));
      v128.store(to + yRow * 2, v128.shuffle<f32>(ab1, de1, 0, 1, 4, 5));
      v128.store(to + yRow * 3, v128.shuffle<f32>(ab1, de1, 2, 3, 6, 7));
      from += 16;
      to += yRow << 2;
    }
  }
  copyTransposed(x, y, xRow, yRow, 0, rows4, columns4, columns);
  copyTransposed(x, y, xRow, yRow, rows4, rows, 0, columns);
}

/** The rectangle of rows and columns that the 4x4 blocks leave over. */
function copyTransposed(x: usize, y: usize, xRow: usize, yRow: usize, firstRow: i32, lastRow: i32, firstColumn: i32, lastColumn: i32): void {
  for (let r = firstRow; r < lastRow; r++) {
    for (let c = firstColumn; c < lastColumn; c++) f32.store(y + yRow * c + (<usize>r << 2), f32.load(x + xRow * r + (<usize>c << 2)));
  }
}
