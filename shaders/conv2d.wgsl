// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn) or (n, cIn, h, w)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// torch.nn.functional.conv2d with padding = r*d. Reference: src/backends/reference/conv2d.ts. f32 sums.
// Schedule: one invocation = a tile of gemm.wgsl, 4 neighbouring pixels x VECTORS vectors of 4 output channels. Neighbouring invocations take
// neighbouring channels: they share the loads of x, and the loads of weights and the stores of y are contiguous. Bias, activation and
// residual are fused, so a layer is one dispatch. `staged` holds x in workgroup memory (for real GPUs: each value is fetched once for a
// workgroup instead of k*k times): a workgroup = 16x16 pixels, 32 bytes of a pixel's input channels at a time.
// requires: gemm

override VECTORS: u32 = 2; // output vectors of an invocation, 1 or 2

const NONE = 0u;
const RELU = 1u;
const LEAKY_RELU = 2u;
const SILU = 3u;
const HARDSWISH = 4u;

struct Params {
  conv: Conv,
  cOut: u32,       // channels of y, a multiple of 4 in toVec4
  activation: u32, // NONE, RELU, ...
  slope: f32,      // of leaky-relu, for negative values
  residual: u32,   // 1 if there is one
}

@group(0) @binding(3) var<storage, read> residual: array<Stored3>;       // (n, h, w, cOut)
@group(0) @binding(3) var<storage, read> residualVec4: array<Stored3Vec4>;  // (n, h, w, cOut / 4)
@group(0) @binding(4) var<storage, read_write> y: array<Stored4>;        // (n, h, w, cOut)
@group(0) @binding(4) var<storage, read_write> yVec4: array<Stored4Vec4>;   // (n, h, w, cOut / 4)

@compute @workgroup_size(WORKGROUP)
fn toVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.conv.work) { return; }
  let tile = tileOf(i / blocks());
  let first = i % blocks() * VECTORS;
  storeAllVec4(tile, first, tileSums(tile, first, second(first), VECTORS == 2u));
}

@compute @workgroup_size(WORKGROUP)
fn toScalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.conv.work) { return; }
  let tile = tileOf(i / blocks());
  let first = i % blocks() * VECTORS;
  storeAllScalar(tile, first, tileSums(tile, first, second(first), VECTORS == 2u));
}

// Blocks of VECTORS output vectors; the last may have one vector less.
fn blocks() -> u32 {
  return (params.conv.coVectors + VECTORS - 1u) / VECTORS;
}

fn second(first: u32) -> u32 {
  return min(first + 1u, params.conv.coVectors - 1u);
}

// Stable for every finite value: exp only of what is not positive, and no product of infinity and 0.
fn activate(v: vec4f, activation: u32) -> vec4f {
  switch (activation) {
    case RELU: { return orNaN(v, max(v, vec4f())); }
    case LEAKY_RELU: { return select(v, v * params.slope, v < vec4f()); }
    case SILU: {
      let e = exp(-abs(v));
      return v * (select(e, vec4f(1.0), v >= vec4f()) / (1.0 + e));
    }
    case HARDSWISH: { return v * (clamp(v + 3.0, vec4f(), vec4f(6.0)) / 6.0); }
    default: { return v; }
  }
}

// One loop over the tile's vectors: eight copies of what is done to each took as long to compile as the sums.
fn storeAllVec4(tile: Tile, first: u32, s: Sums) {
  var sums = array<vec4f, 8>(s.a0, s.a1, s.a2, s.a3, s.b0, s.b1, s.b2, s.b3);
  for (var i = 0u; i < 4u * VECTORS; i++) {
    let ox = tile.ox + i % 4u;
    let vector = first + i / 4u;
    let at = ((tile.image * params.conv.h + tile.oy) * params.conv.w + ox) * params.conv.coVectors + vector;
    if (ox < params.conv.w && vector < params.conv.coVectors) { storeVec4(at, activate(sums[i], params.activation), params.residual == 1u); }
  }
}

fn storeVec4(at: u32, value: vec4f, plusResidual: bool) {
  if (plusResidual) { yVec4[at] = Stored4Vec4(value + vec4f(residualVec4[at])); } else { yVec4[at] = Stored4Vec4(value); }
}

fn storeAllScalar(tile: Tile, first: u32, s: Sums) {
  var sums = array<vec4f, 8>(s.a0, s.a1, s.a2, s.a3, s.b0, s.b1, s.b2, s.b3);
  for (var i = 0u; i < 4u * VECTORS; i++) { storeScalar(tile, i % 4u, first + i / 4u, sums[i]); }
}

fn storeScalar(tile: Tile, pixel: u32, vector: u32, sum: vec4f) {
  let ox = tile.ox + pixel;
  let co = vector * 4u;
  if (ox >= params.conv.w || co >= params.cOut) { return; }
  let at = ((tile.image * params.conv.h + tile.oy) * params.conv.w + ox) * params.cOut + co;
  let value = activate(sum, params.activation);
  storeOne(at, value.x);
  if (co + 1u < params.cOut) { storeOne(at + 1u, value.y); }
  if (co + 2u < params.cOut) { storeOne(at + 2u, value.z); }
  if (co + 3u < params.cOut) { storeOne(at + 3u, value.w); }
}

fn storeOne(at: u32, value: f32) {
  if (params.residual == 1u) { y[at] = Stored4(value + f32(residual[at])); } else { y[at] = Stored4(value); }
}

// `staged`: 3x3 with dilation 1. All constants, so that the driver knows every address.
override CHANNELS: u32 = 4;  // vectors of 4 input channels
override OUTPUTS: u32 = 4;   // vectors of 4 output channels
override PARTS: u32 = 2;     // of a workgroup: each computes VECTORS output vectors of the same pixels
override PIXELS: u32 = 4;    // of an invocation, one below the other: 2 or 4
override ACTIVATION: u32 = NONE;
override RESIDUAL: bool = false;

const SIDE = 16u;    // pixels of a workgroup's tile, in each direction
const HELD = 18u;    // with what its taps reach
var<workgroup> held: array<Stored1Vec4, SECTOR1 * HELD * HELD>; // [vector of 4 input channels][row][column]; zeros outside x

// SIDE * SIDE / PIXELS * PARTS invocations. Those of a part use the same weights at the same time.
@compute @workgroup_size(WORKGROUP)
fn staged(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = params.conv;
  let columns = (c.w + SIDE - 1u) / SIDE;
  let rows = (c.h + SIDE - 1u) / SIDE;
  let ranges = (OUTPUTS + PARTS * VECTORS - 1u) / (PARTS * VECTORS);
  let id = workgroupIndex(group, groups);
  let tile = id / ranges;
  let image = tile / columns / rows; // past the last one in the grid's last row: then nothing is stored
  let originX = tile % columns * SIDE;
  let originY = tile / columns % rows * SIDE;
  let lanes = WORKGROUP / PARTS;
  let column = local % SIDE;
  let row = local % lanes / SIDE * PIXELS;
  let first = (id % ranges * PARTS + local / lanes) * VECTORS;
  let a = min(first, OUTPUTS - 1u);
  let b = min(first + 1u, OUTPUTS - 1u);
  var sumA = columnOf(weights[a]);
  var sumB = columnOf(weights[b]);
  for (var chunk = 0u; chunk < CHANNELS; chunk += SECTOR1) {
    workgroupBarrier(); // the chunk before has been read
    // Neighbouring invocations fetch the neighbouring vectors of a pixel.
    for (var i = local; i < HELD * HELD * SECTOR1; i += WORKGROUP) {
      let pixel = i / SECTOR1;
      let vector = chunk + i % SECTOR1;
      let iy = i32(originY + pixel / HELD) - 1;
      let ix = i32(originX + pixel % HELD) - 1;
      var value = Stored1Vec4();
      if (iy >= 0 && iy < i32(c.h) && ix >= 0 && ix < i32(c.w) && vector < CHANNELS) {
        value = xVec4[((image * c.h + u32(iy)) * c.w + u32(ix)) * CHANNELS + vector];
      }
      held[i % SECTOR1 * HELD * HELD + pixel] = value;
    }
    workgroupBarrier();
    for (var ci = 0u; ci < min(SECTOR1, CHANNELS - chunk); ci++) {
      for (var kx = 0u; kx < 3u; kx++) {
        let at = (ci * HELD + row) * HELD + column + kx;
        var x0 = vec4f(held[at]);
        var x1 = vec4f(held[at + HELD]);
        var x2: vec4f;
        var x3: vec4f;
        if (PIXELS > 2u) {
          x2 = vec4f(held[at + 2u * HELD]);
          x3 = vec4f(held[at + 3u * HELD]);
        }
        for (var ky = 0u; ky < 3u; ky++) {
          if (ky > 0u) { // a row further down: all but one of the values are there
            let next = vec4f(held[at + (ky + PIXELS - 1u) * HELD]);
            x0 = x1;
            if (PIXELS > 2u) {
              x1 = x2;
              x2 = x3;
              x3 = next;
            } else {
              x1 = next;
            }
          }
          let w = (1u + (ky * 3u + kx) * CHANNELS * 4u + (chunk + ci) * 4u) * OUTPUTS;
          sumA = plusTap(sumA, w + a, x0, x1, x2, x3);
          if (VECTORS > 1u) { sumB = plusTap(sumB, w + b, x0, x1, x2, x3); }
        }
      }
    }
  }
  if (id >= c.work || originX + column >= c.w) { return; }
  let top = (image * c.h + originY + row) * c.w + originX + column;
  storeColumn(top, originY + row, first, sumA);
  if (VECTORS > 1u) { storeColumn(top, originY + row, first + 1u, sumB); }
}

// The sums of PIXELS pixels for one output vector.
struct Column { p0: vec4f, p1: vec4f, p2: vec4f, p3: vec4f }

fn columnOf(v: vec4f) -> Column {
  return Column(v, v, v, v);
}

// s + the products of 4 input channels of a tap; `at` is the weights of the first channel.
fn plusTap(s: Column, at: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> Column {
  let v0 = weights[at];
  let v1 = weights[at + OUTPUTS];
  let v2 = weights[at + 2u * OUTPUTS];
  let v3 = weights[at + 3u * OUTPUTS];
  var p0 = s.p0; var p1 = s.p1; var p2 = s.p2; var p3 = s.p3;
  p0 += v0 * x0.x; p0 += v1 * x0.y; p0 += v2 * x0.z; p0 += v3 * x0.w;
  p1 += v0 * x1.x; p1 += v1 * x1.y; p1 += v2 * x1.z; p1 += v3 * x1.w;
  if (PIXELS > 2u) {
    p2 += v0 * x2.x; p2 += v1 * x2.y; p2 += v2 * x2.z; p2 += v3 * x2.w;
    p3 += v0 * x3.x; p3 += v1 * x3.y; p3 += v2 * x3.z; p3 += v3 * x3.w;
  }
  return Column(p0, p1, p2, p3);
}

fn storeColumn(top: u32, oy: u32, vector: u32, s: Column) {
  if (vector >= OUTPUTS) { return; }
  var sums = array<vec4f, 4>(s.p0, s.p1, s.p2, s.p3);
  for (var i = 0u; i < PIXELS; i++) {
    if (oy + i < params.conv.h) { storeVec4((top + i * params.conv.w) * OUTPUTS + vector, activate(sums[i], ACTIVATION), RESIDUAL); }
  }
}
