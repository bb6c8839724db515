// reassembleSum: out[n, oy, ox] = base[n, oy, ox] + sum_g reassemble(maps, rows)[n, oy, ox, g]
// maps (n, h, w, groups)   rows (n, h, w, groups*K*s^2)   base, out (n, h*s, w*s, 1); K = kUp^2; taps outside maps read 0.
// The last step of the carafe-luma network: several one-channel CARAFEs, each with its own kernels, summed into an image.
// Reference: src/backends/reference/reassemble-sum.ts. f32 sums.
// Schedule: one invocation = one source pixel, all groups and s*s outputs, 4 sub-pixels at a time in one vector. maps load as
// vectors where 4 divides groups, kernels where s is even (4 divides s^2).

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
@group(0) @binding(1) var<storage, read> mapsVec4: array<vec4f>; // (n, h, w, groups / 4)
@group(0) @binding(2) var<storage, read> rows: array<f32>;       // (n, h, w, groups, K, s*s)
@group(0) @binding(2) var<storage, read> rowsVec4: array<vec4f>; // (n, h, w, groups, K, s*s / 4)
@group(0) @binding(3) var<storage, read> base: array<f32>;       // (n, h*s, w*s)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // (n, h*s, w*s)

@compute @workgroup_size(WORKGROUP)
fn vec4Even(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE / 4u;              // from tap to tap
  let stride = params.kUp * params.kUp * step; // from group to group
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f();
    for (var tap = 0u; tap < params.kUp * params.kUp; tap++) {
      let source = sourcePixel(pixel, tap);
      if (source < 0) { continue; }
      var at = pixel * params.groups * stride + tap * step + sub / 4u;
      for (var g = 0u; g < params.groups / 4u; g++) {
        let m = mapsVec4[u32(source) * (params.groups / 4u) + g];
        sum += m.x * rowsVec4[at];
        sum += m.y * rowsVec4[at + stride];
        sum += m.z * rowsVec4[at + 2u * stride];
        sum += m.w * rowsVec4[at + 3u * stride];
        at += 4u * stride;
      }
    }
    store(pixel, sub, sum);
  }
}

@compute @workgroup_size(WORKGROUP)
fn vec4Odd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE;
  let stride = params.kUp * params.kUp * step;
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f();
    for (var tap = 0u; tap < params.kUp * params.kUp; tap++) {
      let source = sourcePixel(pixel, tap);
      if (source < 0) { continue; }
      var at = pixel * params.groups * stride + tap * step + sub;
      for (var g = 0u; g < params.groups / 4u; g++) {
        let m = mapsVec4[u32(source) * (params.groups / 4u) + g];
        sum += m.x * kernelsAt(at, sub);
        sum += m.y * kernelsAt(at + stride, sub);
        sum += m.z * kernelsAt(at + 2u * stride, sub);
        sum += m.w * kernelsAt(at + 3u * stride, sub);
        at += 4u * stride;
      }
    }
    store(pixel, sub, sum);
  }
}

@compute @workgroup_size(WORKGROUP)
fn scalarEven(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE / 4u;
  let stride = params.kUp * params.kUp * step;
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f();
    for (var tap = 0u; tap < params.kUp * params.kUp; tap++) {
      let source = sourcePixel(pixel, tap);
      if (source < 0) { continue; }
      let at = pixel * params.groups * stride + tap * step + sub / 4u;
      for (var g = 0u; g < params.groups; g++) { sum += maps[u32(source) * params.groups + g] * rowsVec4[at + g * stride]; }
    }
    store(pixel, sub, sum);
  }
}

@compute @workgroup_size(WORKGROUP)
fn scalarOdd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = invocation(group, groups, local);
  if (pixel >= params.pixels) { return; }
  let step = SCALE * SCALE;
  let stride = params.kUp * params.kUp * step;
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f();
    for (var tap = 0u; tap < params.kUp * params.kUp; tap++) {
      let source = sourcePixel(pixel, tap);
      if (source < 0) { continue; }
      let at = pixel * params.groups * stride + tap * step + sub;
      for (var g = 0u; g < params.groups; g++) { sum += maps[u32(source) * params.groups + g] * kernelsAt(at + g * stride, sub); }
    }
    store(pixel, sub, sum);
  }
}

// Grids are 2D because one dimension holds 65535 workgroups at most.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

// The pixel that a tap reads, over all images, or -1 outside its image.
fn sourcePixel(pixel: u32, tap: u32) -> i32 {
  let r = i32(params.kUp / 2u);
  let row = pixel / params.w;
  let iy = i32(row % params.h) + i32(tap / params.kUp) - r;
  let ix = i32(pixel % params.w) + i32(tap % params.kUp) - r;
  let inside = iy >= 0 && iy < i32(params.h) && ix >= 0 && ix < i32(params.w);
  return select(-1, (i32(row / params.h * params.h) + iy) * i32(params.w) + ix, inside);
}

// The kernel values of sub-pixels sub..sub+3 of an odd scale: s^2 = 1 mod 8, so the last round has one.
fn kernelsAt(at: u32, sub: u32) -> vec4f {
  if (sub + 1u < SCALE * SCALE) { return vec4f(rows[at], rows[at + 1u], rows[at + 2u], rows[at + 3u]); }
  return vec4f(rows[at], 0.0, 0.0, 0.0);
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
