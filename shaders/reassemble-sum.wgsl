// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(rows))[n, oy, ox, g], rows = encode(x)
// x (n, h, w, cIn)   maps (n, h, w, groups)   rows (n, h, w, groups*K*s^2)   base, out (n, h*s, w*s, 1); K = kUp^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
// Reference: src/backends/reference/reassemble-sum.ts. f32 sums.
// Schedule: one invocation = 4 neighbouring source pixels, all groups and s*s outputs, 4 sub-pixels in a vector. Tiles of gemm.wgsl give the logits of two
// taps, and the softmax runs along: when a larger logit comes, both its sums are scaled down. So neither logits nor kernels are stored.

override SCALE: u32 = 2; // s

struct Params {
  conv: Conv,
  groups: u32,
  kUp: u32,    // taps per axis, odd
}

@group(0) @binding(3) var<storage, read> maps: array<Stored>;      // (n, h, w, groups)
@group(0) @binding(4) var<storage, read> base: array<Stored>;      // (n, h*s, w*s)
@group(0) @binding(5) var<storage, read_write> out: array<Stored>; // (n, h*s, w*s)

// Of the 4 pixels: the softmax of a group so far (the largest logit, the sums of e^(logit - largest) and of that times the map), and
// what the groups before gave. Arrays and one loop over the pixels: four copies of its text took SwiftShader's compiler minutes and 17 GB.
var<private> largest: array<vec4f, 4>;
var<private> sums: array<vec4f, 4>;
var<private> weighted: array<vec4f, 4>;
var<private> totals: array<vec4f, 4>;

@compute @workgroup_size(WORKGROUP)
fn reassembleSum(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.conv.work) { return; }
  let tile = tileOf(i);
  for (var quad = 0u; quad < quadsOf(); quad++) {
    totals = array<vec4f, 4>();
    for (var g = 0u; g < params.groups; g++) {
      for (var tap = 0u; tap < tapsOfWindow(); tap += 2u) {
        addTaps(tile, g, tap, tileSums(tile, vectorOf(g, tap, quad), vectorOf(g, second(tap), quad), true));
      }
      for (var p = 0u; p < 4u; p++) { totals[p] += weighted[p] / sums[p]; }
    }
    store(tile, quad * 4u);
  }
}

fn addTaps(tile: Tile, g: u32, tap: u32, s: Sums) {
  var a = array<vec4f, 4>(s.a0, s.a1, s.a2, s.a3);
  var b = array<vec4f, 4>(s.b0, s.b1, s.b2, s.b3);
  let two = select(0.0, 1.0, tap + 1u < tapsOfWindow()); // kUp is odd: the last tap is alone, its partner a copy
  for (var p = 0u; p < 4u; p++) {
    let before = select(largest[p], a[p], tap == 0u);
    let now = max(before, max(a[p], b[p]));
    let down = select(exp(before - now), vec4f(), tap == 0u);
    let ea = exp(a[p] - now);
    let eb = exp(b[p] - now) * two;
    largest[p] = now;
    sums[p] = sums[p] * down + ea + eb;
    weighted[p] = weighted[p] * down + mapAt(tile, p, tap, g) * ea + mapAt(tile, p, second(tap), g) * eb;
  }
}

fn second(tap: u32) -> u32 {
  return min(tap + 1u, tapsOfWindow() - 1u);
}

fn tapsOfWindow() -> u32 {
  return params.kUp * params.kUp;
}

// Vectors of 4 sub-pixels in one tap of one group; where 4 does not divide s^2 the weights are padded to whole ones.
fn quadsOf() -> u32 {
  return (SCALE * SCALE + 3u) / 4u;
}

fn vectorOf(g: u32, tap: u32, quad: u32) -> u32 {
  return (g * tapsOfWindow() + tap) * quadsOf() + quad;
}

// What a tap reads of a group's map; 0 outside its image.
fn mapAt(tile: Tile, p: u32, tap: u32, g: u32) -> f32 {
  let r = i32(params.kUp / 2u);
  let iy = i32(tile.oy + tap / params.kUp) - r;
  let ix = i32(tile.ox + p + tap % params.kUp) - r;
  let inside = iy >= 0 && iy < i32(params.conv.h) && ix >= 0 && ix < i32(params.conv.w);
  let at = ((tile.image * params.conv.h + u32(iy)) * params.conv.w + u32(ix)) * params.groups + g;
  return select(0.0, f32(maps[select(0u, at, inside)]), inside);
}

fn store(tile: Tile, sub: u32) {
  for (var p = 0u; p < 4u && tile.ox + p < params.conv.w; p++) {
    for (var j = 0u; j < 4u && sub + j < SCALE * SCALE; j++) {
      let oy = (tile.image * params.conv.h + tile.oy) * SCALE + (sub + j) / SCALE; // over all images
      let at = oy * params.conv.w * SCALE + (tile.ox + p) * SCALE + (sub + j) % SCALE;
      out[at] = Stored(f32(base[at]) + totals[p][j]);
    }
  }
}
