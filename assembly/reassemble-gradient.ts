// reassembleGradient, of one image: gFeatures[source] += gradient[output] * rows[tap], gRows[tap] = the sum over a
// group's channels of gradient[output] * features[source].
// features, gFeatures (h, w, c)   rows, gRows (h, w, groups*K*s^2)   gradient (h*s, w*s, c); c is a multiple of 4 in
// each group. gFeatures and gRows are zeros before.
// Reference: src/backends/reference/reassemble-gradient.ts.
// Schedule: a source pixel's vector of 4 channels is loaded and stored once for up to 4 sub-pixels, whose gradients are
// read once for both sums.
import { madd } from './simd';

/** `sources`: for each of h rows kUp source rows, then for each of w columns kUp source columns; -1 reads zero. */
export function reassembleGradient(
  features: usize, rows: usize, gradient: usize, gFeatures: usize, gRows: usize, sources: usize,
  h: i32, w: i32, c: i32, kUp: i32, scale: i32, groups: i32,
): void {
  const subs = scale * scale;
  const perGroup = c / groups;
  const groupBytes: usize = <usize>perGroup << 2;
  const pixelBytes: usize = <usize>c << 2;
  const columns = sources + (<usize>(h * kUp) << 2);
  const rowBytes: usize = <usize>(groups * kUp * kUp * subs) << 2;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const row = <usize>(y * w + x) * rowBytes;
      const output = gradient + <usize>(y * scale * w * scale + x * scale) * pixelBytes;
      for (let ky = 0; ky < kUp; ky++) {
        const iy = load<i32>(sources + (<usize>(y * kUp + ky) << 2));
        if (iy < 0) continue;
        for (let kx = 0; kx < kUp; kx++) {
          const ix = load<i32>(columns + (<usize>(x * kUp + kx) << 2));
          if (ix < 0) continue;
          const source = <usize>(iy * w + ix) * pixelBytes;
          for (let g = 0; g < groups; g++) {
            const channel: usize = <usize>g * groupBytes;
            const from = source + channel;
            const tap = row + (<usize>(((g * kUp + ky) * kUp + kx) * subs) << 2);
            for (let sub = 0; sub < subs; ) {
              const at = tap + (<usize>sub << 2);
              const first = subPixel(output + channel, sub, scale, w, pixelBytes);
              if (sub + 4 <= subs) {
                fourSubPixels(
                  features + from, gFeatures + from, rows + at, gRows + at, groupBytes, first,
                  subPixel(output + channel, sub + 1, scale, w, pixelBytes),
                  subPixel(output + channel, sub + 2, scale, w, pixelBytes),
                  subPixel(output + channel, sub + 3, scale, w, pixelBytes),
                );
                sub += 4;
              } else {
                oneSubPixel(features + from, gFeatures + from, rows + at, gRows + at, groupBytes, first);
                sub++;
              }
            }
          }
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function subPixel(output: usize, sub: i32, scale: i32, w: i32, pixelBytes: usize): usize {
  return output + <usize>((sub / scale) * w * scale + sub % scale) * pixelBytes;
}

function oneSubPixel(f: usize, gf: usize, row: usize, gRow: usize, bytes: usize, g: usize): void {
  const k = v128.load32_splat(row);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const a = v128.load(g + i);
    sum = madd(a, v128.load(f + i), sum);
    v128.store(gf + i, madd(a, k, v128.load(gf + i)));
  }
  store<f32>(gRow, total(sum));
}

function fourSubPixels(
  f: usize, gf: usize, row: usize, gRow: usize, bytes: usize, g0: usize, g1: usize, g2: usize, g3: usize,
): void {
  const k0 = v128.load32_splat(row);
  const k1 = v128.load32_splat(row, 4);
  const k2 = v128.load32_splat(row, 8);
  const k3 = v128.load32_splat(row, 12);
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(f + i);
    const a0 = v128.load(g0 + i);
    const a1 = v128.load(g1 + i);
    const a2 = v128.load(g2 + i);
    const a3 = v128.load(g3 + i);
    sum0 = madd(a0, v, sum0);
    sum1 = madd(a1, v, sum1);
    sum2 = madd(a2, v, sum2);
    sum3 = madd(a3, v, sum3);
    let to = madd(a0, k0, v128.load(gf + i));
    to = madd(a1, k1, to);
    to = madd(a2, k2, to);
    v128.store(gf + i, madd(a3, k3, to));
  }
  store<f32>(gRow, total(sum0));
  store<f32>(gRow, total(sum1), 4);
  store<f32>(gRow, total(sum2), 8);
  store<f32>(gRow, total(sum3), 12);
}

// @ts-ignore: decorator
@inline
function total(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}
