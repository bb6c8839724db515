// gridSample: x where each output pixel says, bilinear, edges replicated. x (h, w, c)   offsets (W, 2*groups) of a row
// -> y (W, c). Reference: src/backends/reference/grid-sample.ts
import { madd, storeLanes } from './simd';

/**
 * The output columns left..right-1 of one row, which samples row `row` of x by itself and columns (ox + 0.5) * perPixel
 * - 0.5. `rows` holds the address of every row of x; offsets and y are of column `left`. Reads up to 3 floats past the
 * ends.
 */
export function gridSample(
  rows: usize, offsets: usize, y: usize,
  h: i32, w: i32, c: i32, groups: i32, row: f32, left: i32, right: i32, perPixel: f32,
): void {
  const pixel: usize = <usize>c << 2;
  const channels = c / groups;
  for (let ox = left; ox < right; ox++) {
    const column: f32 = (<f32>ox + 0.5) * perPixel - 0.5;
    for (let g = 0; g < groups; g++) {
      const at = offsets + (<usize>g << 2);
      const sx = min<f32>(max<f32>(column + f32.load(at), 0), <f32>(w - 1));
      const sy = min<f32>(max<f32>(row + f32.load(at + (<usize>groups << 2)), 0), <f32>(h - 1));
      const fx = floor<f32>(sx), fy = floor<f32>(sy);
      const x0 = index(fx), y0 = index(fy);
      const first = pixel * x0, second = pixel * min(x0 + 1, w - 1);
      const top = load<usize>(rows + (<usize>y0 << 2)), bottom = load<usize>(rows + (<usize>min(y0 + 1, h - 1) << 2));
      const right1 = f32x4.splat(sx - fx), left1 = f32x4.splat(1 - (sx - fx));
      const lower = f32x4.splat(sy - fy), upper = f32x4.splat(1 - (sy - fy));
      const skip: usize = <usize>(g * channels) << 2;
      for (let ci = 0; ci < channels; ci += 4) {
        const o = skip + (<usize>ci << 2);
        const above = madd(right1, v128.load(top + second + o), f32x4.mul(left1, v128.load(top + first + o)));
        const below = madd(right1, v128.load(bottom + second + o), f32x4.mul(left1, v128.load(bottom + first + o)));
        storeLanes(y + o, madd(lower, below, f32x4.mul(upper, above)), channels - ci);
      }
    }
    offsets += <usize>groups << 3;
    y += pixel;
  }
}

/** 0 of NaN. */
// @ts-ignore: decorator
@inline
function index(v: f32): i32 {
  return i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.splat(v)), 0);
}
