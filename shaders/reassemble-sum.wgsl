// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, softmax(rows))[n, oy, ox, g], rows = encode(x)
// maps (n, h, w, groups)   rows (n, h, w, groups*K*s^2)   base, out (n, h*s, w*s, 1); K = kUp^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
// Reference: src/backends/reference/reassemble-sum.ts. f32 sums.
// Schedule: one invocation = one source pixel, all groups and s*s outputs, 4 sub-pixels at a time in one vector; for each group a pass for
// the maximum and one for the sums, divided once. Rows load as vectors where s is even (4 divides s^2). conv2d.wgsl writes them.

override WORKGROUP: u32 = 64; // invocations in a workgroup
override SCALE: u32 = 2;      // s

struct Params {
  pixels: u32, // n * h * w, source pixels: the invocations
  h: u32,      // rows of maps
  w: u32,      // pixels of a row
  groups: u32,
  kUp: u32,    // taps per axis, odd
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<f32>;       // (n, h, w, groups)
@group(0) @binding(2) var<storage, read> rows: array<f32>;       // (n, h, w, groups, K, s*s)
@group(0) @binding(2) var<storage, read> rowsVec4: array<vec4f>; // (n, h, w, groups, K, s*s / 4)
@group(0) @binding(3) var<storage, read> base: array<f32>;       // (n, h*s, w*s)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // (n, h*s, w*s)

@compute @workgroup_size(WORKGROUP)
fn evenScale(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE / 4u; // from tap to tap
  let taps = params.kUp * params.kUp;
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var total = vec4f();
    for (var g = 0u; g < params.groups; g++) {
      let first = (pixel * params.groups + g) * taps * step + sub / 4u;
      var largest = rowsVec4[first];
      for (var tap = 1u; tap < taps; tap++) { largest = max(largest, rowsVec4[first + tap * step]); }
      var sum = vec4f();
      var weighted = vec4f();
      for (var tap = 0u; tap < taps; tap++) {
        let e = exp(rowsVec4[first + tap * step] - largest);
        sum += e;
        weighted += mapAt(pixel, tap, g) * e;
      }
      total += weighted / sum;
    }
    store(pixel, sub, total);
  }
}

@compute @workgroup_size(WORKGROUP)
fn oddScale(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE;
  let taps = params.kUp * params.kUp;
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var total = vec4f();
    for (var g = 0u; g < params.groups; g++) {
      let first = (pixel * params.groups + g) * taps * step + sub;
      var largest = logitsAt(first, sub);
      for (var tap = 1u; tap < taps; tap++) { largest = max(largest, logitsAt(first + tap * step, sub)); }
      var sum = vec4f();
      var weighted = vec4f();
      for (var tap = 0u; tap < taps; tap++) {
        let e = exp(logitsAt(first + tap * step, sub) - largest);
        sum += e;
        weighted += mapAt(pixel, tap, g) * e;
      }
      total += weighted / sum;
    }
    store(pixel, sub, total);
  }
}

// Grids are 2D because one dimension holds 65535 workgroups at most.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

// What a tap reads of a group's map; 0 outside its image.
fn mapAt(pixel: u32, tap: u32, g: u32) -> f32 {
  let r = i32(params.kUp / 2u);
  let row = pixel / params.w;
  let iy = i32(row % params.h) + i32(tap / params.kUp) - r;
  let ix = i32(pixel % params.w) + i32(tap % params.kUp) - r;
  if (iy < 0 || iy >= i32(params.h) || ix < 0 || ix >= i32(params.w)) { return 0.0; }
  return maps[u32((i32(row / params.h * params.h) + iy) * i32(params.w) + ix) * params.groups + g];
}

// The logits of sub-pixels sub..sub+3 of an odd scale: s^2 = 1 mod 8, so the last round has one.
fn logitsAt(at: u32, sub: u32) -> vec4f {
  if (sub + 1u < SCALE * SCALE) { return vec4f(rows[at], rows[at + 1u], rows[at + 2u], rows[at + 3u]); }
  return vec4f(rows[at]);
}

fn store(pixel: u32, sub: u32, sum: vec4f) {
  storeOne(pixel, sub, sum.x);
  if (sub + 1u < SCALE * SCALE) {
    storeOne(pixel, sub + 1u, sum.y);
    storeOne(pixel, sub + 2u, sum.z);
    storeOne(pixel, sub + 3u, sum.w);
  }
}

fn storeOne(pixel: u32, sub: u32, sum: f32) {
  let oy = (pixel / params.w) * SCALE + sub / SCALE; // over all images
  let at = oy * params.w * SCALE + (pixel % params.w) * SCALE + sub % SCALE;
  out[at] = base[at] + sum;
}
