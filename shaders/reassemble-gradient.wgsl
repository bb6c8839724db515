// reassembleGradient: what a loss changes by the features and by the rows of a reassembly, given what it changes by its result.
//   gFeatures[n, iy, ix, c] = sum over the outputs and taps that read (iy, ix) of gradient[output, c] * rows[tap]
//   gRows[n, y, x, ((g*K + tap)*s + sy)*s + sx] = sum over the channels c of group g of gradient[n, y*s+sy, x*s+sx, c] * features[n, y+ky-r, x+kx-r, c]
// features, gFeatures (n, h, w, c)   rows, gRows (n, h, w, groups*K*s^2)   gradient (n, h*s, w*s, c); K = kUp^2, r = (kUp-1)/2.
// Reference: src/backends/reference/reassemble-gradient.ts.
// Schedule: both gather, so that nothing is added to memory by two invocations. One invocation = one value of gFeatures, or of gRows.
// requires: prelude

struct Params {
  invocations: u32,
  h: i32,
  w: i32,
  c: u32,
  perGroup: u32,
  groups: u32,
  kUp: i32,
}

const ZERO = 0u;
const REPLICATE = 1u;
const REFLECT = 2u;

override SCALE: u32 = 2;
override PADDING: u32 = ZERO;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;      // rows, or features
@group(0) @binding(2) var<storage, read> gradient: array<f32>;    // (n, h*s, w*s, c)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;     // gFeatures, or gRows

// The source index of a tap at i, possibly outside 0..size-1; -1 where it reads zero.
fn border(i: i32, size: i32) -> i32 {
  if (i >= 0 && i < size) { return i; }
  if (PADDING == ZERO) { return -1; }
  if (PADDING == REPLICATE) { return clamp(i, 0, size - 1); }
  if (size == 1) { return 0; }
  let period = 2 * (size - 1);
  let phase = ((i % period) + period) % period;
  return select(period - phase, phase, phase < size);
}

@compute @workgroup_size(WORKGROUP)
fn byFeatures(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let c = i % params.c;
  let pixel = i32(i / params.c);
  let ix = pixel % params.w;
  let iy = (pixel / params.w) % params.h;
  let image = pixel / (params.w * params.h);
  let r = (params.kUp - 1) / 2;
  let g = i32(c / params.perGroup);
  let s = i32(SCALE);
  var sum = 0.0;
  // Positions that read this pixel: itself, and those outside that the border leads here.
  for (var jy = -r; jy < params.h + r; jy++) {
    if (jy >= 0 && jy < params.h && jy != iy) { jy = select(params.h - 1, iy - 1, jy < iy); continue; }
    if (border(jy, params.h) != iy) { continue; }
    for (var jx = -r; jx < params.w + r; jx++) {
      if (jx >= 0 && jx < params.w && jx != ix) { jx = select(params.w - 1, ix - 1, jx < ix); continue; }
      if (border(jx, params.w) != ix) { continue; }
      for (var ky = 0; ky < params.kUp; ky++) {
        let py = jy - ky + r;
        if (py < 0 || py >= params.h) { continue; }
        for (var kx = 0; kx < params.kUp; kx++) {
          let px = jx - kx + r;
          if (px < 0 || px >= params.w) { continue; }
          let row = ((image * params.h + py) * params.w + px) * i32(params.groups) * params.kUp * params.kUp;
          let tap = (row + (g * params.kUp + ky) * params.kUp + kx) * s * s;
          for (var sub = 0; sub < s * s; sub++) {
            let output = ((image * params.h * s + py * s + sub / s) * params.w * s + px * s + sub % s) * i32(params.c) + i32(c);
            sum += gradient[output] * values[tap + sub];
          }
        }
      }
    }
  }
  y[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn byRows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let s = i32(SCALE);
  let sub = i32(i) % (s * s);
  let tap = (i32(i) / (s * s)) % (params.kUp * params.kUp);
  let block = i32(i) / (s * s * params.kUp * params.kUp);
  let g = block % i32(params.groups);
  let pixel = block / i32(params.groups);
  let px = pixel % params.w;
  let py = (pixel / params.w) % params.h;
  let image = pixel / (params.w * params.h);
  let r = (params.kUp - 1) / 2;
  let iy = border(py + tap / params.kUp - r, params.h);
  let ix = border(px + tap % params.kUp - r, params.w);
  var sum = 0.0;
  if (iy >= 0 && ix >= 0) {
    let source = u32((image * params.h + iy) * params.w + ix) * params.c;
    let output = u32((image * params.h * s + py * s + sub / s) * params.w * s + px * s + sub % s) * params.c;
    for (var c = u32(g) * params.perGroup; c < u32(g + 1) * params.perGroup; c++) {
      sum += gradient[output + c] * values[source + c];
    }
  }
  y[i] = sum;
}
