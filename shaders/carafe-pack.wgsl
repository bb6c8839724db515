// carafePack's middle: the encoder and the normaliser in one dispatch, rows = normalizeKernels(conv2d(x, encode)); logits are never stored.
// x (n, h, w, cIn) or (n, cIn, h, w)   rows (n, h, w, groups*K*s^2), [g][tap][sub-pixel] inside a row; K = kUp^2, at most 49.
// CARAFE, arXiv:1905.02188, figure 2. References: src/backends/reference/conv2d.ts, normalize-kernels.ts. f32 sums.
// A column is all taps of one group and 4 sub-pixels of a pixel; where 4 does not divide s^2 the weights are padded to whole vectors.
// Schedule, for real GPUs: a workgroup = the column of 16 pixels, an invocation a tile of gemm.wgsl for two taps at a time into workgroup memory;
// a barrier before the taps are summed and one before they are stored.
// requires: gemm, normalizer

override SCALE: u32 = 2; // s
override TAPS: u32 = 25; // K

const MAX_TAPS = 49u; // what fits a workgroup's memory
const PIXELS = 16u; // of a workgroup

struct Params {
  conv: Conv,
  columns: u32, // of a pixel: groups * ceil(s^2 / 4)
}

@group(0) @binding(3) var<storage, read_write> rows: array<Stored3>;      // (n, h, w, groups, K, s*s)
@group(0) @binding(3) var<storage, read_write> rowsVec4: array<Stored3Vec4>; // (n, h, w, groups, K, s*s / 4)

var<workgroup> logits: array<vec4f, PIXELS * MAX_TAPS>; // [tap][pixel], then their weights
var<workgroup> sums: array<vec4f, PIXELS>;

// 4 divides s^2.
@compute @workgroup_size(WORKGROUP)
fn packEven(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let column = weigh(group, groups, local);
  for (var i = local; i < PIXELS * TAPS; i += WORKGROUP) {
    let pixel = pixelOf(group, groups, i / TAPS);
    if (pixel >= 0) { rowsVec4[u32(pixel) * params.columns * TAPS + vectorOf(column, i % TAPS)] = Stored3Vec4(kernelValue(i)); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn packOdd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let column = weigh(group, groups, local);
  let subs = SCALE * SCALE;
  let sub = column % quadsOf() * 4u;
  for (var i = local; i < PIXELS * TAPS; i += WORKGROUP) {
    let pixel = pixelOf(group, groups, i / TAPS);
    if (pixel >= 0) {
      let value = kernelValue(i);
      let at = ((u32(pixel) * (params.columns / quadsOf()) + column / quadsOf()) * TAPS + i % TAPS) * subs + sub;
      rows[at] = Stored3(value.x);
      if (sub + 1u < subs) { // s^2 = 1 mod 8: the last vector has one sub-pixel
        rows[at + 1u] = Stored3(value.y);
        rows[at + 2u] = Stored3(value.z);
        rows[at + 3u] = Stored3(value.w);
      }
    }
  }
}

// The workgroup's logits as weights, and their sums; the column.
fn weigh(group: vec3u, groups: vec3u, local: u32) -> u32 {
  let id = workgroupIndex(group, groups);
  let column = id % params.columns;
  let pairs = (TAPS + 1u) / 2u;
  // Neighbouring invocations take neighbouring taps of the same pixels.
  for (var task = local; task < PIXELS / 4u * pairs; task += WORKGROUP) {
    let tap = task % pairs * 2u;
    let tile = tileOf(min(id / params.columns * (PIXELS / 4u) + task / pairs, params.conv.tileCount - 1u));
    let s = sumVec4(tile, vectorOf(column, tap), vectorOf(column, min(tap + 1u, TAPS - 1u)), true);
    let a = tap * PIXELS + task / pairs * 4u;
    logits[a] = s.a0; logits[a + 1u] = s.a1; logits[a + 2u] = s.a2; logits[a + 3u] = s.a3;
    if (tap + 1u < TAPS) {
      let b = a + PIXELS;
      logits[b] = s.b0; logits[b + 1u] = s.b1; logits[b + 2u] = s.b2; logits[b + 3u] = s.b3;
    }
  }
  workgroupBarrier();
  if (local < PIXELS) {
    var largest = logits[local];
    for (var tap = 1u; tap < TAPS; tap++) { largest = max(largest, logits[tap * PIXELS + local]); }
    var sum = vec4f();
    for (var tap = 0u; tap < TAPS; tap++) {
      let value = weight(logits[tap * PIXELS + local], largest);
      logits[tap * PIXELS + local] = value;
      sum += value;
    }
    sums[local] = sum;
  }
  workgroupBarrier();
  return column;
}

// Value i of [pixel][tap].
fn kernelValue(i: u32) -> vec4f {
  return normalized(logits[i % TAPS * PIXELS + i / TAPS], sums[i / TAPS]);
}

// Vectors of 4 sub-pixels in one tap of one group.
fn quadsOf() -> u32 {
  return (SCALE * SCALE + 3u) / 4u;
}

// The vector of a tap in the column's row of weights, and where 4 divides s^2 of kernels.
fn vectorOf(column: u32, tap: u32) -> u32 {
  return (column / quadsOf() * TAPS + tap) * quadsOf() + column % quadsOf();
}

// The workgroup's pixel p of all images; -1 past the end of a row, or of the work in the grid's last row.
fn pixelOf(group: vec3u, groups: vec3u, p: u32) -> i32 {
  let index = workgroupIndex(group, groups) / params.columns * (PIXELS / 4u) + p / 4u;
  let tile = tileOf(index);
  let ox = tile.ox + p % 4u;
  return select(-1, i32((tile.image * params.conv.h + tile.oy) * params.conv.w + ox), index < params.conv.tileCount && ox < params.conv.w);
}
