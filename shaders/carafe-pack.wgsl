// carafePack's middle: the encoder and the normaliser in one dispatch, rows = normalizeKernels(conv2d(x, encode)); logits are never stored.
// x (n, h, w, cIn) or (n, cIn, h, w)   rows (n, h, w, groups*K*s^2), [g][tap][sub-pixel] inside a row; K = kUp^2, at most 49.
// CARAFE, arXiv:1905.02188, figure 2. References: src/backends/reference/conv2d.ts, normalize-kernels.ts. f32 sums.
// A column is all taps of one group and 4 sub-pixels of a pixel; where 4 does not divide s^2 the weights are padded to whole vectors.
// Schedule of `vec4Even` and `scalar`: one invocation = the column of 4 neighbouring pixels, by tiles of gemm.wgsl for two taps at a time
// into an array of its own. `workgroups`, for real GPUs, where that array would spill: a workgroup = the column of 16 pixels, an invocation a
// tile at a time into workgroup memory; a barrier before the taps are summed and one before they are stored.

override SCALE: u32 = 2; // s
override TAPS: u32 = 25; // K

const MOST_TAPS = 49u;

struct Params {
  conv: Conv,
  columns: u32, // of a pixel: groups * ceil(s^2 / 4)
}

@group(0) @binding(3) var<storage, read_write> rows: array<Stored>;      // (n, h, w, groups, K, s*s)
@group(0) @binding(3) var<storage, read_write> rowsVec4: array<Stored4>; // (n, h, w, groups, K, s*s / 4)

var<private> logits: array<vec4f, 4u * MOST_TAPS>; // [tap][pixel] of an invocation

@compute @workgroup_size(WORKGROUP)
fn vec4Even(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.conv.work) { return; }
  let tile = tileOf(i / params.columns);
  let column = i % params.columns;
  for (var tap = 0u; tap < TAPS; tap += 2u) {
    keep(tap, sumVec4(tile, vectorOf(column, tap), vectorOf(column, second(tap)), true));
  }
  for (var p = 0u; p < 4u && tile.ox + p < params.conv.w; p++) {
    let sum = weigh(p);
    let first = pixelOf(tile, p) * params.columns * TAPS;
    for (var tap = 0u; tap < TAPS; tap++) { rowsVec4[first + vectorOf(column, tap)] = Stored4(normalized(logits[4u * tap + p], sum)); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn scalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.conv.work) { return; }
  let tile = tileOf(i / params.columns);
  let column = i % params.columns;
  for (var tap = 0u; tap < TAPS; tap += 2u) {
    keep(tap, sumScalar(tile, vectorOf(column, tap), vectorOf(column, second(tap)), true));
  }
  let quads = quadsOf();
  for (var p = 0u; p < 4u && tile.ox + p < params.conv.w; p++) {
    let sum = weigh(p);
    let subs = SCALE * SCALE;
    let sub = column % quads * 4u;
    let first = (pixelOf(tile, p) * (params.columns / quads) + column / quads) * TAPS * subs + sub;
    for (var tap = 0u; tap < TAPS; tap++) {
      let value = normalized(logits[4u * tap + p], sum);
      let at = first + tap * subs;
      rows[at] = Stored(value.x);
      if (sub + 1u < subs) { // s^2 is a multiple of 4, or 1 mod 8: the last round has one sub-pixel
        rows[at + 1u] = Stored(value.y);
        rows[at + 2u] = Stored(value.z);
        rows[at + 3u] = Stored(value.w);
      }
    }
  }
}

const SHARED_PIXELS = 16u;
var<workgroup> sharedLogits: array<vec4f, SHARED_PIXELS * MOST_TAPS>; // [tap][pixel]
var<workgroup> sharedSums: array<vec4f, SHARED_PIXELS>;

@compute @workgroup_size(WORKGROUP)
fn workgroups(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = group.y * groups.x + group.x;
  let firstTile = id / params.columns * 4u; // past the last one in the grid's last row: then nothing is stored
  let column = id % params.columns;
  let pairs = (TAPS + 1u) / 2u;
  // Neighbouring invocations take neighbouring taps of the same pixels.
  for (var task = local; task < 4u * pairs; task += WORKGROUP) {
    let slot = task / pairs;
    let tap = task % pairs * 2u;
    let s = sumVec4(tileOf(min(firstTile + slot, params.conv.tileCount - 1u)), vectorOf(column, tap), vectorOf(column, second(tap)), true);
    let a = tap * SHARED_PIXELS + slot * 4u;
    sharedLogits[a] = s.a0; sharedLogits[a + 1u] = s.a1; sharedLogits[a + 2u] = s.a2; sharedLogits[a + 3u] = s.a3;
    if (tap + 1u < TAPS) {
      let b = a + SHARED_PIXELS;
      sharedLogits[b] = s.b0; sharedLogits[b + 1u] = s.b1; sharedLogits[b + 2u] = s.b2; sharedLogits[b + 3u] = s.b3;
    }
  }
  workgroupBarrier();
  if (local < SHARED_PIXELS) {
    var largest = sharedLogits[local];
    for (var tap = 1u; tap < TAPS; tap++) { largest = max(largest, sharedLogits[tap * SHARED_PIXELS + local]); }
    var sum = vec4f();
    for (var tap = 0u; tap < TAPS; tap++) {
      let value = weight(sharedLogits[tap * SHARED_PIXELS + local], largest);
      sharedLogits[tap * SHARED_PIXELS + local] = value;
      sum += value;
    }
    sharedSums[local] = sum;
  }
  workgroupBarrier();
  for (var i = local; i < SHARED_PIXELS * TAPS; i += WORKGROUP) {
    let pixel = i / TAPS;
    let tap = i % TAPS;
    let tileIndex = firstTile + pixel / 4u;
    let tile = tileOf(tileIndex);
    if (tileIndex < params.conv.tileCount && tile.ox + pixel % 4u < params.conv.w) {
      rowsVec4[pixelOf(tile, pixel % 4u) * params.columns * TAPS + vectorOf(column, tap)] = Stored4(normalized(sharedLogits[tap * SHARED_PIXELS + pixel], sharedSums[pixel]));
    }
  }
}

fn second(tap: u32) -> u32 {
  return min(tap + 1u, TAPS - 1u);
}

// Vectors of 4 sub-pixels in one tap of one group.
fn quadsOf() -> u32 {
  return (SCALE * SCALE + 3u) / 4u;
}

// The vector of a tap in the column's row of weights, and where 4 divides s^2 of kernels.
fn vectorOf(column: u32, tap: u32) -> u32 {
  let quads = quadsOf();
  return (column / quads * TAPS + tap) * quads + column % quads;
}

fn pixelOf(tile: Tile, p: u32) -> u32 {
  return (tile.image * params.conv.h + tile.oy) * params.conv.w + tile.ox + p;
}

fn keep(tap: u32, s: Sums) {
  let a = 4u * tap;
  let b = 4u * second(tap);
  logits[a] = s.a0; logits[a + 1u] = s.a1; logits[a + 2u] = s.a2; logits[a + 3u] = s.a3;
  logits[b] = s.b0; logits[b + 1u] = s.b1; logits[b + 2u] = s.b2; logits[b + 3u] = s.b3;
}

// Turns the logits of pixel p into weights; their sum.
fn weigh(p: u32) -> vec4f {
  var largest = logits[p];
  for (var tap = 1u; tap < TAPS; tap++) { largest = max(largest, logits[4u * tap + p]); }
  var sum = vec4f();
  for (var tap = 0u; tap < TAPS; tap++) {
    let value = weight(logits[4u * tap + p], largest);
    logits[4u * tap + p] = value;
    sum += value;
  }
  return sum;
}
