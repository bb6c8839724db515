// conv2d: y[n, oy, ox, co] = act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn) or (n, cIn, h, w)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// torch.nn.functional.conv2d with padding = r*d. Reference: src/backends/reference/conv2d.ts. f32 sums.
// Schedule: one invocation = a tile of gemm.wgsl, 4 neighbouring pixels x VECTORS vectors of 4 output channels. Neighbouring invocations take
// neighbouring channels: they share the loads of x, and the loads of weights and the stores of y are contiguous. Bias, activation and
// residual are fused, so a layer is one dispatch. `staged` holds x in workgroup memory (for real GPUs: each value is fetched once for a
// workgroup instead of k*k times): a workgroup = 16x8 pixels x 16 output channels, 16 input channels at a time.

override VECTORS: u32 = 2;      // output vectors of an invocation, 1 or 2

struct Params {
  conv: Conv,
  cOut: u32,       // channels of y, a multiple of 4 in toVec4
  activation: u32, // 0 none, 1 relu, 2 leaky-relu, 3 silu, 4 hardswish
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

// `staged`: x of the tile with its halo, [4 vectors of input channels][row][column]; zeros outside x.
const TILE_W = 16u;
const TILE_H = 8u;
const CHUNK = 4u;        // vectors of input channels at a time
var<workgroup> held: array<vec4f, 960>; // CHUNK * (8 + 2 reach) * (16 + 2 reach), reach = r*d up to 2

// 64 invocations: each the pixels (column, row), (column, row + 2), + 4, + 6 of the tile x 2 output vectors.
@compute @workgroup_size(64)
fn staged(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = params.conv;
  let ranges = (c.coVectors + 3u) / 4u; // of 16 output channels
  let columns = (c.w + TILE_W - 1u) / TILE_W;
  let rows = (c.h + TILE_H - 1u) / TILE_H;
  let id = group.y * groups.x + group.x;
  let tile = id / ranges;
  let image = tile / columns / rows; // past the last one in the grid's last row: then nothing is stored
  let originX = tile % columns * TILE_W;
  let originY = tile / columns % rows * TILE_H;
  let first = id % ranges * 4u + local / 32u * 2u;
  let a = min(first, c.coVectors - 1u);
  let b = min(first + 1u, c.coVectors - 1u);
  let column = local % TILE_W;
  let row = local / TILE_W % 2u;
  let reach = i32(c.k / 2u * c.dilation);
  let heldW = TILE_W + 2u * u32(reach);
  let heldH = TILE_H + 2u * u32(reach);
  let channels = c.cIn / 4u;
  var sums = biasOf(a, b);
  for (var chunk = 0u; chunk < channels; chunk += CHUNK) {
    let depth = min(CHUNK, channels - chunk);
    workgroupBarrier(); // the chunk before has been read
    // Neighbouring invocations fetch the neighbouring vectors of a pixel.
    for (var i = local; i < heldW * heldH * depth; i += 64u) {
      let pixel = i / depth;
      let iy = i32(originY + pixel / heldW) - reach;
      let ix = i32(originX + pixel % heldW) - reach;
      var value = vec4f();
      if (iy >= 0 && iy < i32(c.h) && ix >= 0 && ix < i32(c.w)) {
        value = vec4f(xVec4[((image * c.h + u32(iy)) * c.w + u32(ix)) * channels + chunk + i % depth]);
      }
      held[i % depth * heldW * heldH + pixel] = value;
    }
    workgroupBarrier();
    for (var ky = 0u; ky < c.k; ky++) {
      for (var kx = 0u; kx < c.k; kx++) {
        for (var ci = 0u; ci < depth; ci++) {
          let at = (ci * heldH + row + ky * c.dilation) * heldW + column + kx * c.dilation;
          let w = (1u + (ky * c.k + kx) * c.cIn + (chunk + ci) * 4u) * c.coVectors;
          sums = plusProducts(sums, w, a, b, true, held[at], held[at + 2u * heldW], held[at + 4u * heldW], held[at + 6u * heldW]);
        }
      }
    }
  }
  if (id >= params.conv.work) { return; }
  storeBelow(Tile(image, originY + row, originX + column), first, sums.a0, sums.b0);
  storeBelow(Tile(image, originY + row + 2u, originX + column), first, sums.a1, sums.b1);
  storeBelow(Tile(image, originY + row + 4u, originX + column), first, sums.a2, sums.b2);
  storeBelow(Tile(image, originY + row + 6u, originX + column), first, sums.a3, sums.b3);
}

fn storeBelow(tile: Tile, first: u32, a: vec4f, b: vec4f) {
  if (tile.oy >= params.conv.h) { return; }
  storeVec4(tile, 0u, first, a);
  storeVec4(tile, 0u, first + 1u, b);
}
