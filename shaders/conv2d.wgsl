// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   weights [tap][ci][co], row 0 the bias   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// torch.nn.functional.conv2d with padding = r*d. Reference: src/backends/reference/conv2d.ts. f32 sums.
// Schedule: implicit GEMM. One invocation = 4 neighbouring pixels of a row x VECTORS vectors of 4 output channels, all sums in
// registers, no barriers. Neighbouring invocations take neighbouring channels: they share the loads of x, and the loads of
// weights and the stores of y are contiguous. Bias, activation and residual are fused, so a layer is one dispatch.

override WORKGROUP: u32 = 64;   // invocations in a workgroup
override VECTORS: u32 = 2;      // output vectors of an invocation, 1 or 2; divides coVectors
override ACTIVATION: u32 = 0;   // 0 none, 1 relu, 2 leaky-relu, 3 silu, 4 hardswish
override RESIDUAL: bool = false;

struct Params {
  invocations: u32, // n * h * tiles * coVectors / VECTORS
  h: u32,           // rows of an image
  w: u32,           // pixels of a row
  tiles: u32,       // ceil(w / 4), tiles of 4 pixels in a row
  cIn: u32,         // channels
  cOut: u32,        // channels
  coVectors: u32,   // vectors of 4 in a row of weights, the tail padded with zeros
  k: u32,           // taps per axis, odd
  dilation: u32,    // pixels between taps
  slope: f32,       // of leaky-relu, for negative values
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // (n, h, w, cIn)
@group(0) @binding(1) var<storage, read> xVec4: array<vec4f>;        // (n, h, w, cIn / 4)
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;      // (1 + k * k * cIn, coVectors)
@group(0) @binding(3) var<storage, read> residual: array<f32>;       // (n, h, w, cOut)
@group(0) @binding(3) var<storage, read> residualVec4: array<vec4f>; // (n, h, w, cOut / 4)
@group(0) @binding(4) var<storage, read_write> y: array<f32>;        // (n, h, w, cOut)
@group(0) @binding(4) var<storage, read_write> yVec4: array<vec4f>;  // (n, h, w, cOut / 4)

// What one invocation computes.
struct Tile {
  image: u32,  // 0..n
  oy: u32,     // row in the image
  ox: u32,     // first of the 4 pixels
  vector: u32, // first output vector
}

// Sums of 4 pixels for the first vector (a) and the second (b).
struct Sums { a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f }

// Offsets in x of the 4 pixels that one tap reads; pixels outside x point at 0 and are masked.
struct Taps { first: vec4u, inside: vec4<bool> }

@compute @workgroup_size(WORKGROUP)
fn vec4ToVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let tile = tileOf(i);
  storeAllVec4(tile, sumVec4(tile));
}

@compute @workgroup_size(WORKGROUP)
fn vec4ToScalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let tile = tileOf(i);
  storeAllScalar(tile, sumVec4(tile));
}

@compute @workgroup_size(WORKGROUP)
fn scalarToVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let tile = tileOf(i);
  storeAllVec4(tile, sumScalar(tile));
}

@compute @workgroup_size(WORKGROUP)
fn scalarToScalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let tile = tileOf(i);
  storeAllScalar(tile, sumScalar(tile));
}

// Grids are 2D because one dimension holds 65535 workgroups at most.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

fn tileOf(i: u32) -> Tile {
  let blocks = params.coVectors / VECTORS;
  let tile = i / blocks;
  let row = tile / params.tiles;
  return Tile(row / params.h, row % params.h, (tile % params.tiles) * 4u, (i % blocks) * VECTORS);
}

// The source row of tap ky, or -1 outside.
fn sourceRow(tile: Tile, ky: u32) -> i32 {
  let iy = i32(tile.oy) + (i32(ky) - i32(params.k / 2u)) * i32(params.dilation);
  return select(-1, iy, iy >= 0 && iy < i32(params.h));
}

fn tapsOf(tile: Tile, iy: i32, kx: u32, stride: u32) -> Taps {
  let ix = vec4i(i32(tile.ox) + (i32(kx) - i32(params.k / 2u)) * i32(params.dilation)) + vec4i(0, 1, 2, 3);
  let inside = (ix >= vec4i(0)) & (ix < vec4i(i32(params.w)));
  let row = (tile.image * params.h + u32(iy)) * params.w;
  return Taps(select(vec4u(0u), (vec4u(row) + vec4u(ix)) * stride, inside), inside);
}

fn sumVec4(tile: Tile) -> Sums {
  let step = params.coVectors;
  let channels = params.cIn / 4u;
  var a0 = weights[tile.vector];
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  var b0 = vec4f();
  if (VECTORS == 2u) { b0 = weights[tile.vector + 1u]; }
  var b1 = b0;
  var b2 = b0;
  var b3 = b0;
  for (var ky = 0u; ky < params.k; ky++) {
    let iy = sourceRow(tile, ky);
    if (iy < 0) { continue; }
    for (var kx = 0u; kx < params.k; kx++) {
      let taps = tapsOf(tile, iy, kx, channels);
      var at = (1u + (ky * params.k + kx) * params.cIn) * step + tile.vector;
      for (var ci = 0u; ci < channels; ci++) {
        let x0 = select(vec4f(), xVec4[taps.first.x + ci], taps.inside.x);
        let x1 = select(vec4f(), xVec4[taps.first.y + ci], taps.inside.y);
        let x2 = select(vec4f(), xVec4[taps.first.z + ci], taps.inside.z);
        let x3 = select(vec4f(), xVec4[taps.first.w + ci], taps.inside.w);
        // One multiply-add after the other: each contracts to an FMA, which w0*x + w1*y + ... would not fully.
        let v0 = weights[at];
        let v1 = weights[at + step];
        let v2 = weights[at + 2u * step];
        let v3 = weights[at + 3u * step];
        a0 += v0 * x0.x; a1 += v0 * x1.x; a2 += v0 * x2.x; a3 += v0 * x3.x;
        a0 += v1 * x0.y; a1 += v1 * x1.y; a2 += v1 * x2.y; a3 += v1 * x3.y;
        a0 += v2 * x0.z; a1 += v2 * x1.z; a2 += v2 * x2.z; a3 += v2 * x3.z;
        a0 += v3 * x0.w; a1 += v3 * x1.w; a2 += v3 * x2.w; a3 += v3 * x3.w;
        if (VECTORS == 2u) {
          let u0 = weights[at + 1u];
          let u1 = weights[at + step + 1u];
          let u2 = weights[at + 2u * step + 1u];
          let u3 = weights[at + 3u * step + 1u];
          b0 += u0 * x0.x; b1 += u0 * x1.x; b2 += u0 * x2.x; b3 += u0 * x3.x;
          b0 += u1 * x0.y; b1 += u1 * x1.y; b2 += u1 * x2.y; b3 += u1 * x3.y;
          b0 += u2 * x0.z; b1 += u2 * x1.z; b2 += u2 * x2.z; b3 += u2 * x3.z;
          b0 += u3 * x0.w; b1 += u3 * x1.w; b2 += u3 * x2.w; b3 += u3 * x3.w;
        }
        at += 4u * step;
      }
    }
  }
  return Sums(a0, a1, a2, a3, b0, b1, b2, b3);
}

fn sumScalar(tile: Tile) -> Sums {
  let step = params.coVectors;
  var a0 = weights[tile.vector];
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  var b0 = vec4f();
  if (VECTORS == 2u) { b0 = weights[tile.vector + 1u]; }
  var b1 = b0;
  var b2 = b0;
  var b3 = b0;
  for (var ky = 0u; ky < params.k; ky++) {
    let iy = sourceRow(tile, ky);
    if (iy < 0) { continue; }
    for (var kx = 0u; kx < params.k; kx++) {
      let taps = tapsOf(tile, iy, kx, params.cIn);
      var at = (1u + (ky * params.k + kx) * params.cIn) * step + tile.vector;
      for (var ci = 0u; ci < params.cIn; ci++) {
        let x0 = select(0.0, x[taps.first.x + ci], taps.inside.x);
        let x1 = select(0.0, x[taps.first.y + ci], taps.inside.y);
        let x2 = select(0.0, x[taps.first.z + ci], taps.inside.z);
        let x3 = select(0.0, x[taps.first.w + ci], taps.inside.w);
        let v = weights[at];
        a0 += v * x0; a1 += v * x1; a2 += v * x2; a3 += v * x3;
        if (VECTORS == 2u) {
          let u = weights[at + 1u];
          b0 += u * x0; b1 += u * x1; b2 += u * x2; b3 += u * x3;
        }
        at += step;
      }
    }
  }
  return Sums(a0, a1, a2, a3, b0, b1, b2, b3);
}

// Stable for every finite value: exp only of what is not positive, and no product of infinity and 0.
fn activate(v: vec4f) -> vec4f {
  switch (ACTIVATION) {
    case 1u: { return max(v, vec4f()); }
    case 2u: { return select(v, v * params.slope, v < vec4f()); }
    case 3u: {
      let e = exp(-abs(v));
      return v * (select(e, vec4f(1.0), v >= vec4f()) / (1.0 + e));
    }
    case 4u: { return v * (clamp(v + 3.0, vec4f(), vec4f(6.0)) / 6.0); }
    default: { return v; }
  }
}

fn storeAllVec4(tile: Tile, s: Sums) {
  storeVec4(tile, 0u, 0u, s.a0);
  storeVec4(tile, 1u, 0u, s.a1);
  storeVec4(tile, 2u, 0u, s.a2);
  storeVec4(tile, 3u, 0u, s.a3);
  if (VECTORS == 2u) {
    storeVec4(tile, 0u, 1u, s.b0);
    storeVec4(tile, 1u, 1u, s.b1);
    storeVec4(tile, 2u, 1u, s.b2);
    storeVec4(tile, 3u, 1u, s.b3);
  }
}

fn storeVec4(tile: Tile, pixel: u32, second: u32, sum: vec4f) {
  let ox = tile.ox + pixel;
  let vector = tile.vector + second;
  let vectors = params.cOut / 4u;
  if (ox >= params.w || vector >= vectors) { return; }
  let at = ((tile.image * params.h + tile.oy) * params.w + ox) * vectors + vector;
  var value = activate(sum);
  if (RESIDUAL) { value += residualVec4[at]; }
  yVec4[at] = value;
}

fn storeAllScalar(tile: Tile, s: Sums) {
  storeScalar(tile, 0u, 0u, s.a0);
  storeScalar(tile, 1u, 0u, s.a1);
  storeScalar(tile, 2u, 0u, s.a2);
  storeScalar(tile, 3u, 0u, s.a3);
  if (VECTORS == 2u) {
    storeScalar(tile, 0u, 1u, s.b0);
    storeScalar(tile, 1u, 1u, s.b1);
    storeScalar(tile, 2u, 1u, s.b2);
    storeScalar(tile, 3u, 1u, s.b3);
  }
}

fn storeScalar(tile: Tile, pixel: u32, second: u32, sum: vec4f) {
  let ox = tile.ox + pixel;
  let co = (tile.vector + second) * 4u;
  if (ox >= params.w || co >= params.cOut) { return; }
  let at = ((tile.image * params.h + tile.oy) * params.w + ox) * params.cOut + co;
  let value = activate(sum);
  storeOne(at, value.x);
  if (co + 1u < params.cOut) { storeOne(at + 1u, value.y); }
  if (co + 2u < params.cOut) { storeOne(at + 2u, value.z); }
  if (co + 3u < params.cOut) { storeOne(at + 3u, value.w); }
}

fn storeOne(at: u32, value: f32) {
  if (RESIDUAL) { y[at] = value + residual[at]; } else { y[at] = value; }
}
