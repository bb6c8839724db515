// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(rows))[n, oy, ox, g], rows = encode(x)
// x (n, h, w, cIn)   maps (n, h, w, groups)   rows (n, h, w, groups*K*s^2)   base, out (n, h*s, w*s, 1); K = kUp^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
// Reference: src/backends/reference/reassemble-sum.ts. f32 sums.
// Schedule: one invocation = 4 neighbouring source pixels, all groups and s*s outputs, 4 sub-pixels in a vector. Tiles of gemm.wgsl give the logits of two
// taps, and the softmax runs along: when a larger logit comes, both its sums are scaled down. So neither logits nor kernels are stored.
// requires: gemm

override SCALE: u32 = 2; // s

struct Params {
  conv: Conv,
  groups: u32,
  kUp: u32,    // taps per axis, odd
}

@group(0) @binding(3) var<storage, read> maps: array<Stored3>;      // (n, h, w, groups)
@group(0) @binding(4) var<storage, read> base: array<f32>;      // (n, h*s, w*s)
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // (n, h*s, w*s)

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
    let down = select(power(before - now), vec4f(), tap == 0u);
    let ea = power(a[p] - now);
    let eb = power(b[p] - now) * two;
    largest[p] = now;
    sums[p] = sums[p] * down + ea + eb;
    weighted[p] = weighted[p] * down + mapAt(tile, p, tap, g) * ea + mapAt(tile, p, second(tap), g) * eb;
  }
}

fn power(v: vec4f) -> vec4f {
  return orNaN(v, exp(v));
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
  for (var p = 0u; p < 4u && tile.ox + p < params.conv.w; p++) { storePixel(tile, p, sub, totals[p]); }
}

fn storePixel(tile: Tile, p: u32, sub: u32, total: vec4f) {
  for (var j = 0u; j < 4u && sub + j < SCALE * SCALE; j++) {
    let oy = (tile.image * params.conv.h + tile.oy) * SCALE + (sub + j) / SCALE; // over all images
    let at = oy * params.conv.w * SCALE + (tile.ox + p) * SCALE + (sub + j) % SCALE;
    out[at] = base[at] + total[j];
  }
}

// `staged`: kUp 3, up to 32 input channels. All constants, so that the driver knows every address.
override CHANNELS: u32 = 2;  // vectors of 4 input channels
override OUTPUTS: u32 = 36;  // vectors of a row of weights
override TOGETHER: u32 = 4;  // groups whose maps and weights are held at a time

const SIDE = 16u;    // pixels of a workgroup's tile, in each direction
const HELD = 18u;    // with what its taps reach
const MAX_GROUPS = 4u;
const MAX_WEIGHTS = 324u;
var<workgroup> heldMaps: array<f32, MAX_GROUPS * HELD * HELD>; // [group][row][column]; zeros outside maps
var<workgroup> heldWeights: array<vec4f, MAX_WEIGHTS>;         // [group][bias, then input channels][tap]

// SIDE * SIDE / 2 invocations: each 2 pixels, one below the other. All of them use the same weights at the same time.
@compute @workgroup_size(WORKGROUP)
fn staged(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = params.conv;
  let columns = (c.w + SIDE - 1u) / SIDE;
  let rows = (c.h + SIDE - 1u) / SIDE;
  let id = workgroupIndex(group, groups);
  let image = id / columns / rows; // past the last one in the grid's last row: then nothing is stored
  let originX = id % columns * SIDE;
  let originY = id / columns % rows * SIDE;
  let column = local % SIDE;
  let row = local / SIDE * 2u;
  // Pixels past the image compute the last one's sums and store nothing.
  let ox = min(originX + column, c.w - 1u);
  let upper = ((image * c.h + min(originY + row, c.h - 1u)) * c.w + ox) * CHANNELS;
  let lower = ((image * c.h + min(originY + row + 1u, c.h - 1u)) * c.w + ox) * CHANNELS;
  var x0 = vec4f();
  var x1 = vec4f();
  for (var ci = 0u; ci < CHANNELS; ci++) {
    x0 += vec4f(xVec4[upper + ci]);
    x1 += vec4f(xVec4[lower + ci]);
  }
  let finite0 = vec4<bool>(all(isFinite(x0)));
  let finite1 = vec4<bool>(all(isFinite(x1)));
  for (var quad = 0u; quad < quadsOf(); quad++) {
    var total0 = vec4f();
    var total1 = vec4f();
    for (var first = 0u; first < params.groups; first += TOGETHER) {
      let some = min(TOGETHER, params.groups - first);
      workgroupBarrier(); // the groups before have been read
      for (var i = local; i < HELD * HELD * TOGETHER; i += WORKGROUP) {
        let pixel = i / TOGETHER;
        let g = i % TOGETHER;
        let iy = i32(originY + pixel / HELD) - 1;
        let ix = i32(originX + pixel % HELD) - 1;
        var value = 0.0;
        if (iy >= 0 && iy < i32(c.h) && ix >= 0 && ix < i32(c.w) && g < some) {
          value = f32(maps[((image * c.h + u32(iy)) * c.w + u32(ix)) * params.groups + first + g]);
        }
        heldMaps[g * HELD * HELD + pixel] = value;
      }
      for (var i = local; i < some * (1u + 4u * CHANNELS) * 9u; i += WORKGROUP) {
        let channel = i / 9u % (1u + 4u * CHANNELS);
        heldWeights[i] = weights[channel * OUTPUTS + vectorOf(first + i / 9u / (1u + 4u * CHANNELS), i % 9u, quad)];
      }
      workgroupBarrier();
      for (var g = 0u; g < some; g++) {
        var at = g * (1u + 4u * CHANNELS) * 9u;
        var logits = biasOfTaps(at);
        for (var ci = 0u; ci < CHANNELS; ci++) {
          let x0 = vec4f(xVec4[upper + ci]);
          let x1 = vec4f(xVec4[lower + ci]);
          logits = plusChannel(logits, at + 9u, x0.x, x1.x);
          logits = plusChannel(logits, at + 18u, x0.y, x1.y);
          logits = plusChannel(logits, at + 27u, x0.z, x1.z);
          logits = plusChannel(logits, at + 36u, x0.w, x1.w);
          at += 36u;
        }
        let tap = (g * HELD + row) * HELD + column;
        total0 += reassembled(logits.a, tap);
        total1 += reassembled(logits.b, tap + HELD);
      }
    }
    if (id < c.work && originX + column < c.w) {
      let oy = originY + row;
      if (oy < c.h) { storePixel(Tile(image, oy, ox), 0u, quad * 4u, nanUnless(finite0, total0)); }
      if (oy + 1u < c.h) { storePixel(Tile(image, oy + 1u, ox), 0u, quad * 4u, nanUnless(finite1, total1)); }
    }
  }
}

// Logits of the 9 taps for 4 sub-pixels, of the upper pixel and the lower one.
struct Taps9 { t0: vec4f, t1: vec4f, t2: vec4f, t3: vec4f, t4: vec4f, t5: vec4f, t6: vec4f, t7: vec4f, t8: vec4f }
struct Logits { a: Taps9, b: Taps9 }

fn biasOfTaps(at: u32) -> Logits {
  let bias = Taps9(heldWeights[at], heldWeights[at + 1u], heldWeights[at + 2u], heldWeights[at + 3u], heldWeights[at + 4u], heldWeights[at + 5u], heldWeights[at + 6u], heldWeights[at + 7u], heldWeights[at + 8u]);
  return Logits(bias, bias);
}

// Plus an input channel's products; `at` is its weights.
fn plusChannel(s: Logits, at: u32, x0: f32, x1: f32) -> Logits {
  var a = s.a;
  var b = s.b;
  let w0 = heldWeights[at + 0u]; a.t0 += w0 * x0; b.t0 += w0 * x1;
  let w1 = heldWeights[at + 1u]; a.t1 += w1 * x0; b.t1 += w1 * x1;
  let w2 = heldWeights[at + 2u]; a.t2 += w2 * x0; b.t2 += w2 * x1;
  let w3 = heldWeights[at + 3u]; a.t3 += w3 * x0; b.t3 += w3 * x1;
  let w4 = heldWeights[at + 4u]; a.t4 += w4 * x0; b.t4 += w4 * x1;
  let w5 = heldWeights[at + 5u]; a.t5 += w5 * x0; b.t5 += w5 * x1;
  let w6 = heldWeights[at + 6u]; a.t6 += w6 * x0; b.t6 += w6 * x1;
  let w7 = heldWeights[at + 7u]; a.t7 += w7 * x0; b.t7 += w7 * x1;
  let w8 = heldWeights[at + 8u]; a.t8 += w8 * x0; b.t8 += w8 * x1;
  return Logits(a, b);
}

// The softmax of the logits times the maps around `tap`.
fn reassembled(l: Taps9, tap: u32) -> vec4f {
  let largest = max(max(max(max(l.t0, l.t1), max(l.t2, l.t3)), max(max(l.t4, l.t5), max(l.t6, l.t7))), l.t8);
  let e0 = exp(l.t0 - largest);
  let e1 = exp(l.t1 - largest);
  let e2 = exp(l.t2 - largest);
  let e3 = exp(l.t3 - largest);
  let e4 = exp(l.t4 - largest);
  let e5 = exp(l.t5 - largest);
  let e6 = exp(l.t6 - largest);
  let e7 = exp(l.t7 - largest);
  let e8 = exp(l.t8 - largest);
  let sum = e0 + e1 + e2 + e3 + e4 + e5 + e6 + e7 + e8;
  var weighted = e0 * heldMaps[tap];
  weighted += e1 * heldMaps[tap + 0u * HELD + 1u];
  weighted += e2 * heldMaps[tap + 0u * HELD + 2u];
  weighted += e3 * heldMaps[tap + 1u * HELD + 0u];
  weighted += e4 * heldMaps[tap + 1u * HELD + 1u];
  weighted += e5 * heldMaps[tap + 1u * HELD + 2u];
  weighted += e6 * heldMaps[tap + 2u * HELD + 0u];
  weighted += e7 * heldMaps[tap + 2u * HELD + 1u];
  weighted += e8 * heldMaps[tap + 2u * HELD + 2u];
  return nanUnless(isFinite(largest), weighted / sum);
}
