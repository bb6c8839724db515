// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn) or (n, cIn, h, w)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// torch.nn.functional.conv2d with padding = r*d. Reference: src/backends/reference/conv2d.ts. f32 sums.
// Schedule: one invocation = a tile of gemm.wgsl, 4 neighbouring pixels x VECTORS vectors of 4 output channels. Neighbouring invocations take
// neighbouring channels: they share the loads of x, and the loads of weights and the stores of y are contiguous. Bias, activation and
// residual are fused, so a layer is one dispatch. `staged` holds x in workgroup memory (for real GPUs: each value is fetched once for a
// workgroup instead of k*k times): a workgroup = 16x16 pixels x VECTORS output vectors, 32 bytes of a pixel's input channels at a time.
// requires: gemm

override VECTORS: u32 = 2; // output vectors of an invocation, 1 or 2; in staged up to 4
override K: u32 = 3;       // of staged: taps per axis

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

@group(0) @binding(3) var<storage, read> residual: array<Stored>;       // (n, h, w, cOut)
@group(0) @binding(3) var<storage, read> residualVec4: array<Stored4>;  // (n, h, w, cOut / 4)
@group(0) @binding(4) var<storage, read_write> y: array<Stored>;        // (n, h, w, cOut)
@group(0) @binding(4) var<storage, read_write> yVec4: array<Stored4>;   // (n, h, w, cOut / 4)

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
fn activate(v: vec4f) -> vec4f {
  switch (params.activation) {
    case RELU: { return max(v, vec4f()); }
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
  for (var i = 0u; i < 4u * VECTORS; i++) { storeVec4(tile, i % 4u, first + i / 4u, sums[i]); }
}

fn storeVec4(tile: Tile, pixel: u32, vector: u32, sum: vec4f) {
  let ox = tile.ox + pixel;
  let vectors = params.cOut / 4u;
  if (ox >= params.conv.w || vector >= vectors) { return; }
  let at = ((tile.image * params.conv.h + tile.oy) * params.conv.w + ox) * vectors + vector;
  var value = activate(sum);
  if (params.residual == 1u) { value += vec4f(residualVec4[at]); }
  yVec4[at] = Stored4(value);
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
  let value = activate(sum);
  storeOne(at, value.x);
  if (co + 1u < params.cOut) { storeOne(at + 1u, value.y); }
  if (co + 2u < params.cOut) { storeOne(at + 2u, value.z); }
  if (co + 3u < params.cOut) { storeOne(at + 3u, value.w); }
}

fn storeOne(at: u32, value: f32) {
  if (params.residual == 1u) { y[at] = Stored(value + f32(residual[at])); } else { y[at] = Stored(value); }
}

// `staged`: x of the workgroup's tile with its halo, [vector of 4 input channels][row][column]; zeros outside x.
const SIDE = 16u; // pixels of the tile, in each direction
var<workgroup> held: array<Stored4, SECTOR * 20u * 20u>; // for K = 5

// 64 invocations: each 4 pixels, one below the other, x VECTORS output vectors. All of them use the same weights at the same time.
@compute @workgroup_size(64)
fn staged(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = params.conv;
  let columns = (c.w + SIDE - 1u) / SIDE;
  let rows = (c.h + SIDE - 1u) / SIDE;
  let id = workgroupIndex(group, groups);
  let tile = id / blocks();
  let image = tile / columns / rows; // past the last one in the grid's last row: then nothing is stored
  let originX = tile % columns * SIDE;
  let originY = tile / columns % rows * SIDE;
  let first = id % blocks() * VECTORS;
  let b = min(first + 1u, c.coVectors - 1u);
  let d = min(first + 2u, c.coVectors - 1u);
  let e = min(first + 3u, c.coVectors - 1u);
  let column = local % SIDE;
  let row = local / SIDE * 4u;
  let reach = i32(K / 2u);
  let width = SIDE + K - 1u; // of what is held
  let channels = c.cIn / 4u;
  var s0 = fourOf(weights[first]);
  var s1 = fourOf(weights[b]);
  var s2 = fourOf(weights[d]);
  var s3 = fourOf(weights[e]);
  for (var chunk = 0u; chunk < channels; chunk += SECTOR) {
    workgroupBarrier(); // the chunk before has been read
    // Neighbouring invocations fetch the neighbouring vectors of a pixel.
    for (var i = local; i < width * width * SECTOR; i += 64u) {
      let pixel = i / SECTOR;
      let vector = chunk + i % SECTOR;
      let iy = i32(originY + pixel / width) - reach;
      let ix = i32(originX + pixel % width) - reach;
      var value = Stored4();
      if (iy >= 0 && iy < i32(c.h) && ix >= 0 && ix < i32(c.w) && vector < channels) {
        value = xVec4[((image * c.h + u32(iy)) * c.w + u32(ix)) * channels + vector];
      }
      held[i % SECTOR * width * width + pixel] = value;
    }
    workgroupBarrier();
    for (var ci = 0u; ci < min(SECTOR, channels - chunk); ci++) {
      for (var kx = 0u; kx < K; kx++) {
        let at = (ci * width + row) * width + column + kx;
        // Going down a column of taps, three of the four values stay.
        var x0 = vec4f(held[at]);
        var x1 = vec4f(held[at + width]);
        var x2 = vec4f(held[at + 2u * width]);
        for (var ky = 0u; ky < K; ky++) {
          let x3 = vec4f(held[at + (ky + 3u) * width]);
          let w = (1u + (ky * K + kx) * c.cIn + (chunk + ci) * 4u) * c.coVectors;
          s0 = plusFour(s0, w + first, x0, x1, x2, x3);
          if (VECTORS > 1u) { s1 = plusFour(s1, w + b, x0, x1, x2, x3); }
          if (VECTORS > 2u) { s2 = plusFour(s2, w + d, x0, x1, x2, x3); }
          if (VECTORS > 3u) { s3 = plusFour(s3, w + e, x0, x1, x2, x3); }
          x0 = x1;
          x1 = x2;
          x2 = x3;
        }
      }
    }
  }
  if (id >= params.conv.work) { return; }
  storeBelow(image, originY + row, originX + column, first, s0);
  if (VECTORS > 1u) { storeBelow(image, originY + row, originX + column, first + 1u, s1); }
  if (VECTORS > 2u) { storeBelow(image, originY + row, originX + column, first + 2u, s2); }
  if (VECTORS > 3u) { storeBelow(image, originY + row, originX + column, first + 3u, s3); }
}

// The sums of 4 pixels for one output vector.
struct Four { p0: vec4f, p1: vec4f, p2: vec4f, p3: vec4f }

fn fourOf(v: vec4f) -> Four {
  return Four(v, v, v, v);
}

// s + the products of 4 input channels of 4 pixels; `at` is the weights of the first channel.
fn plusFour(s: Four, at: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> Four {
  let step = params.conv.coVectors;
  let v0 = weights[at];
  let v1 = weights[at + step];
  let v2 = weights[at + 2u * step];
  let v3 = weights[at + 3u * step];
  var p0 = s.p0; var p1 = s.p1; var p2 = s.p2; var p3 = s.p3;
  p0 += v0 * x0.x; p1 += v0 * x1.x; p2 += v0 * x2.x; p3 += v0 * x3.x;
  p0 += v1 * x0.y; p1 += v1 * x1.y; p2 += v1 * x2.y; p3 += v1 * x3.y;
  p0 += v2 * x0.z; p1 += v2 * x1.z; p2 += v2 * x2.z; p3 += v2 * x3.z;
  p0 += v3 * x0.w; p1 += v3 * x1.w; p2 += v3 * x2.w; p3 += v3 * x3.w;
  return Four(p0, p1, p2, p3);
}

fn storeBelow(image: u32, oy: u32, ox: u32, vector: u32, s: Four) {
  var sums = array<vec4f, 4>(s.p0, s.p1, s.p2, s.p3);
  for (var i = 0u; i < 4u; i++) {
    if (oy + i < params.conv.h) { storeVec4(Tile(image, oy + i, ox), 0u, vector, sums[i]); }
  }
}
