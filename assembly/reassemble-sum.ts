// reassembleSum: out[oy, ox] = base[oy, ox] + sum_g reassemble(maps, rows)[oy, ox, g]
// maps (h, w, groups)   rows (h, w, groups*kUp^2*s^2)   base, out (h*s, w*s); taps outside maps read 0.
// Reference: src/backends/reference/reassemble-sum.ts
// Schedule: lanes are sub-pixels (a row holds them side by side), one accumulator for four of them; the maps' values are splats
// from a zero-padded copy.
import { madd } from './simd';

/** One image. `padded` is scratch for [h + 2r][w + 2r][groups], `sums` for s^2 + 4 floats. Reads up to 3 floats after the end of rows. */
export function reassembleSum(
  maps: usize, rows: usize, base: usize, out: usize, padded: usize, sums: usize,
  h: i32, w: i32, s: i32, kUp: i32, groups: i32,
): void {
  const r = (kUp - 1) >> 1;
  const subs = s * s;
  const row: usize = <usize>(w * groups) << 2;
  const paddedRow: usize = <usize>((w + 2 * r) * groups) << 2;
  memory.fill(padded, 0, paddedRow * (h + 2 * r));
  for (let y = 0; y < h; y++) memory.copy(padded + paddedRow * (y + r) + (<usize>(r * groups) << 2), maps + row * y, row);

  const tapBytes: usize = <usize>subs << 2;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const window = padded + paddedRow * y + (<usize>(x * groups) << 2);
      for (let sub = 0; sub < subs; sub += 4) {
        let sum = f32x4.splat(0);
        for (let g = 0; g < groups; g++) {
          let kernel = rows + (<usize>(g * kUp * kUp * subs + sub) << 2);
          for (let ky = 0; ky < kUp; ky++) {
            let tap = window + paddedRow * ky + (<usize>g << 2);
            for (let kx = 0; kx < kUp; kx++) {
              sum = madd(v128.load32_splat(tap), v128.load(kernel), sum);
              tap += <usize>groups << 2;
              kernel += tapBytes;
            }
          }
        }
        v128.store(sums + (<usize>sub << 2), sum);
      }
      for (let sub = 0; sub < subs; sub++) {
        const offset: usize = ((<usize>(y * s + sub / s) * w + x) * s + sub % s) << 2;
        f32.store(out + offset, f32.load(base + offset) + f32.load(sums + (<usize>sub << 2)));
      }
      rows += tapBytes * (groups * kUp * kUp);
    }
  }
}
