// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(rows))[n, oy, ox, g], rows = encode(x)
// x (n, h, w, cIn)   maps (n, h, w, groups)   rows (n, h, w, groups*K*s^2)   base, out (n, h*s, w*s, 1); K = kUp^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
// Reference: src/backends/reference/reassemble-sum.ts. f32 sums.
// Schedule: one invocation = 4 neighbouring source pixels, all groups and s*s outputs, 4 sub-pixels in a vector. Tiles of gemm.wgsl give the logits of two
// taps, and the softmax runs along: when a larger logit comes, both its sums are scaled down. So neither logits nor kernels are stored.
// requires: gemm

override SCALE: u32 = 2; // s
override K_UP: u32 = 3;  // of staged, as the next one: kUp
override CHUNK_TAPS: u32 = 9; // taps whose logits an invocation holds at a time, a divisor of K_UP^2, at most 15

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
  for (var p = 0u; p < 4u && tile.ox + p < params.conv.w; p++) { storePixel(tile, p, sub, totals[p]); }
}

fn storePixel(tile: Tile, p: u32, sub: u32, total: vec4f) {
  for (var j = 0u; j < 4u && sub + j < SCALE * SCALE; j++) {
    let oy = (tile.image * params.conv.h + tile.oy) * SCALE + (sub + j) / SCALE; // over all images
    let at = oy * params.conv.w * SCALE + (tile.ox + p) * SCALE + (sub + j) % SCALE;
    out[at] = Stored(f32(base[at]) + total[j]);
  }
}

// `staged`: the maps of up to 4 groups around the workgroup's tile, [row][column][group]; zeros outside.
const COLUMNS = 16u; // of the tile
const ROWS = 8u;
const GROUPS = 4u;
var<workgroup> held: array<f32, GROUPS * 20u * 12u>; // for K_UP = 5

var<private> logits0: array<vec4f, 15>; // of the invocation's two pixels
var<private> logits1: array<vec4f, 15>;

// 64 invocations: each 2 pixels, one below the other. All of them use the same weights at the same time.
@compute @workgroup_size(64)
fn staged(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = params.conv;
  let columns = (c.w + COLUMNS - 1u) / COLUMNS;
  let rows = (c.h + ROWS - 1u) / ROWS;
  let id = workgroupIndex(group, groups);
  let image = id / columns / rows; // past the last one in the grid's last row: then nothing is stored
  let originX = id % columns * COLUMNS;
  let originY = id / columns % rows * ROWS;
  let column = local % COLUMNS;
  let row = local / COLUMNS * 2u;
  let width = COLUMNS + K_UP - 1u; // of what is held
  let height = ROWS + K_UP - 1u;
  let channels = c.cIn / 4u;
  // Pixels past the image compute the last one's sums and store nothing.
  let ox = min(originX + column, c.w - 1u);
  let top = (image * c.h + min(originY + row, c.h - 1u)) * c.w + ox;
  let below = (image * c.h + min(originY + row + 1u, c.h - 1u)) * c.w + ox;
  for (var quad = 0u; quad < quadsOf(); quad++) {
    var total0 = vec4f();
    var total1 = vec4f();
    for (var firstGroup = 0u; firstGroup < params.groups; firstGroup += GROUPS) {
      let some = min(GROUPS, params.groups - firstGroup);
      workgroupBarrier(); // the groups before have been read
      for (var i = local; i < width * height * GROUPS; i += 64u) {
        let pixel = i / GROUPS;
        let iy = i32(originY + pixel / width) - i32(K_UP / 2u);
        let ix = i32(originX + pixel % width) - i32(K_UP / 2u);
        var value = 0.0;
        if (iy >= 0 && iy < i32(c.h) && ix >= 0 && ix < i32(c.w) && i % GROUPS < some) {
          value = f32(maps[((image * c.h + u32(iy)) * c.w + u32(ix)) * params.groups + firstGroup + i % GROUPS]);
        }
        held[i] = value;
      }
      workgroupBarrier();
      for (var g = 0u; g < some; g++) {
        var largest0: vec4f; var largest1: vec4f;
        var sum0 = vec4f(); var sum1 = vec4f();
        var weighted0 = vec4f(); var weighted1 = vec4f();
        for (var chunk = 0u; chunk < K_UP * K_UP; chunk += CHUNK_TAPS) {
          let v = vectorOf(firstGroup + g, chunk, quad);
          for (var t = 0u; t < CHUNK_TAPS; t++) {
            let bias = weights[v + t * quadsOf()];
            logits0[t] = bias;
            logits1[t] = bias;
          }
          for (var ci = 0u; ci < channels; ci++) {
            let x0 = vec4f(xVec4[top * channels + ci]);
            let x1 = vec4f(xVec4[below * channels + ci]);
            let w = (1u + ci * 4u) * c.coVectors + v;
            for (var t = 0u; t < CHUNK_TAPS; t++) {
              let at = w + t * quadsOf();
              var a = logits0[t]; var b = logits1[t];
              let w0 = weights[at];
              a += w0 * x0.x; b += w0 * x1.x;
              let w1 = weights[at + c.coVectors];
              a += w1 * x0.y; b += w1 * x1.y;
              let w2 = weights[at + 2u * c.coVectors];
              a += w2 * x0.z; b += w2 * x1.z;
              let w3 = weights[at + 3u * c.coVectors];
              a += w3 * x0.w; b += w3 * x1.w;
              logits0[t] = a; logits1[t] = b;
            }
          }
          var now0 = logits0[0]; var now1 = logits1[0];
          for (var t = 1u; t < CHUNK_TAPS; t++) { now0 = max(now0, logits0[t]); now1 = max(now1, logits1[t]); }
          if (chunk > 0u) {
            now0 = max(now0, largest0); now1 = max(now1, largest1);
            let down0 = exp(largest0 - now0); let down1 = exp(largest1 - now1);
            sum0 *= down0; weighted0 *= down0;
            sum1 *= down1; weighted1 *= down1;
          }
          largest0 = now0; largest1 = now1;
          for (var t = 0u; t < CHUNK_TAPS; t++) {
            let tap = chunk + t;
            let at = ((row + tap / K_UP) * width + column + tap % K_UP) * GROUPS + g;
            let e0 = exp(logits0[t] - now0);
            let e1 = exp(logits1[t] - now1);
            sum0 += e0; weighted0 += e0 * held[at];
            sum1 += e1; weighted1 += e1 * held[at + width * GROUPS];
          }
        }
        total0 += weighted0 / sum0;
        total1 += weighted1 / sum1;
      }
    }
    if (id < params.conv.work && originX + column < c.w) {
      totals = array<vec4f, 4>(total0, total1, vec4f(), vec4f());
      for (var p = 0u; p < 2u && originY + row + p < c.h; p++) {
        storePixel(Tile(image, originY + row + p, ox), 0u, quad * 4u, totals[p]);
      }
    }
  }
}
