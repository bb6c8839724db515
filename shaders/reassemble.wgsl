// reassemble: out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c) or (n, c, h, w)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c) or (n, c, h*s, w*s); K = kUp^2, r = (kUp-1)/2,
// g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
// CARAFE, arXiv:1905.02188, eq. 3; mmcv ops/carafe. Reference: src/backends/reference/reassemble.ts. f32 sums.
// Schedule: one invocation = one source pixel x 4 channels (where 4 divides C/groups) or 1 channel (scalar), all s*s outputs, 4 sub-pixels
// at a time, since they share their window: each feature is loaded once for 4 outputs. Where s is even (4 divides s^2) the kernels of 4
// sub-pixels are one vector. vec4: NHWC in and out, neighbouring invocations take neighbouring channels and share the kernels. planes: NCHW
// out, either in; neighbouring invocations take neighbouring pixels, so that loads and stores of a plane are contiguous.

override WORKGROUP: u32 = 64; // invocations in a workgroup
override SCALE: u32 = 2;      // s
override PADDING: u32 = 0;    // 0 zero, 1 replicate, 2 reflect
override PLANES: bool = false; // out is (n, C, h*s, w*s)

struct Params {
  invocations: u32, // n * h * w * C / 4 (vec4) or n * h * w * C (scalar)
  h: u32,           // rows of features
  w: u32,           // pixels of a row
  c: u32,           // channels C, in vectors of 4 (vec4) or in values (scalar)
  perGroup: u32,    // C / groups, in the same unit
  groups: u32,
  kUp: u32,         // taps per axis, odd
  imageStride: u32,   // from image to image of features, in values; as the next two not of vec4
  pixelStride: u32,   // C in NHWC, 1 in NCHW
  channelStride: u32, // 1 in NHWC, h * w in NCHW
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> features: array<Stored>;          // (n, h, w, C)
@group(0) @binding(1) var<storage, read> featuresVec4: array<Stored4>;    // (n, h, w, C / 4)
@group(0) @binding(2) var<storage, read> rows: array<Stored>;              // (n, h, w, groups, K, s*s)
@group(0) @binding(2) var<storage, read> rowsVec4: array<Stored4>;        // (n, h, w, groups, K, s*s / 4)
@group(0) @binding(3) var<storage, read_write> out: array<Stored>;         // (n, h*s, w*s, C) or (n, C, h*s, w*s)
@group(0) @binding(3) var<storage, read_write> outVec4: array<Stored4>;   // (n, h*s, w*s, C / 4)

// What one invocation computes.
struct Item {
  image: u32,   // 0..n
  py: u32,      // source row
  px: u32,      // source column
  channel: u32, // vector (vec4, planes) or value (scalar) of 0..c
  kernel: u32,  // first kernel value of the pixel's group: [tap][sub-pixel] follow
}

@compute @workgroup_size(WORKGROUP)
fn vec4Even(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) { storeVec4(item, sub, sumEven(item, sub)); }
}

@compute @workgroup_size(WORKGROUP)
fn planesEven(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) { storePlanes(item, sub, sumEvenPlanes(item, sub)); }
}

@compute @workgroup_size(WORKGROUP)
fn vec4Odd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) { storeVec4(item, sub, sumOdd(item, sub)); }
}

@compute @workgroup_size(WORKGROUP)
fn planesOdd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) { storePlanes(item, sub, sumOddPlanes(item, sub)); }
}

@compute @workgroup_size(WORKGROUP)
fn scalarEven(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f(); // of 4 sub-pixels
    var at = (item.kernel + sub) / 4u;
    for (var ky = 0u; ky < params.kUp; ky++) {
      let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
      for (var kx = 0u; kx < params.kUp; kx++) {
        let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
        if (iy >= 0 && ix >= 0) { sum += f32(features[stridedOffset(item.channel, item, iy, ix)]) * vec4f(rowsVec4[at]); }
        at += SCALE * SCALE / 4u;
      }
    }
    out[outOffset(item, sub)] = Stored(sum.x);
    out[outOffset(item, sub + 1u)] = Stored(sum.y);
    out[outOffset(item, sub + 2u)] = Stored(sum.z);
    out[outOffset(item, sub + 3u)] = Stored(sum.w);
  }
}

@compute @workgroup_size(WORKGROUP)
fn scalarOdd(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sum = vec4f(); // of 4 sub-pixels, of 1 in the last round
    var at = item.kernel + sub;
    for (var ky = 0u; ky < params.kUp; ky++) {
      let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
      for (var kx = 0u; kx < params.kUp; kx++) {
        let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
        if (iy >= 0 && ix >= 0) {
          let f = f32(features[stridedOffset(item.channel, item, iy, ix)]);
          sum.x += f * f32(rows[at]);
          if (sub + 1u < SCALE * SCALE) {
            sum.y += f * f32(rows[at + 1u]);
            sum.z += f * f32(rows[at + 2u]);
            sum.w += f * f32(rows[at + 3u]);
          }
        }
        at += SCALE * SCALE;
      }
    }
    out[outOffset(item, sub)] = Stored(sum.x);
    if (sub + 1u < SCALE * SCALE) {
      out[outOffset(item, sub + 1u)] = Stored(sum.y);
      out[outOffset(item, sub + 2u)] = Stored(sum.z);
      out[outOffset(item, sub + 3u)] = Stored(sum.w);
    }
  }
}

// The 4 channels (rows) of 4 sub-pixels (columns) from `sub` on.
fn sumEven(item: Item, sub: u32) -> mat4x4f {
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var at = (item.kernel + sub) / 4u;
  for (var ky = 0u; ky < params.kUp; ky++) {
    let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
    for (var kx = 0u; kx < params.kUp; kx++) {
      let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
      if (iy >= 0 && ix >= 0) {
        let f = vec4f(featuresVec4[sourceOffset(item, iy, ix)]);
        let k = vec4f(rowsVec4[at]);
        sum0 += f * k.x;
        sum1 += f * k.y;
        sum2 += f * k.z;
        sum3 += f * k.w;
      }
      at += SCALE * SCALE / 4u;
    }
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}

fn sumEvenPlanes(item: Item, sub: u32) -> mat4x4f {
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var at = (item.kernel + sub) / 4u;
  for (var ky = 0u; ky < params.kUp; ky++) {
    let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
    for (var kx = 0u; kx < params.kUp; kx++) {
      let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
      if (iy >= 0 && ix >= 0) {
        let f = planeFeatures(item, iy, ix);
        let k = vec4f(rowsVec4[at]);
        sum0 += f * k.x;
        sum1 += f * k.y;
        sum2 += f * k.z;
        sum3 += f * k.w;
      }
      at += SCALE * SCALE / 4u;
    }
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}

fn sumOdd(item: Item, sub: u32) -> mat4x4f {
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var at = item.kernel + sub;
  for (var ky = 0u; ky < params.kUp; ky++) {
    let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
    for (var kx = 0u; kx < params.kUp; kx++) {
      let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
      if (iy >= 0 && ix >= 0) {
        let f = vec4f(featuresVec4[sourceOffset(item, iy, ix)]);
        sum0 += f * f32(rows[at]);
        if (sub + 1u < SCALE * SCALE) { // s^2 = 1 mod 8: the last round has one sub-pixel
          sum1 += f * f32(rows[at + 1u]);
          sum2 += f * f32(rows[at + 2u]);
          sum3 += f * f32(rows[at + 3u]);
        }
      }
      at += SCALE * SCALE;
    }
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}

fn sumOddPlanes(item: Item, sub: u32) -> mat4x4f {
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var at = item.kernel + sub;
  for (var ky = 0u; ky < params.kUp; ky++) {
    let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
    for (var kx = 0u; kx < params.kUp; kx++) {
      let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
      if (iy >= 0 && ix >= 0) {
        let f = planeFeatures(item, iy, ix);
        sum0 += f * f32(rows[at]);
        if (sub + 1u < SCALE * SCALE) { // s^2 = 1 mod 8: the last round has one sub-pixel
          sum1 += f * f32(rows[at + 1u]);
          sum2 += f * f32(rows[at + 2u]);
          sum3 += f * f32(rows[at + 3u]);
        }
      }
      at += SCALE * SCALE;
    }
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}

fn storeVec4(item: Item, sub: u32, sums: mat4x4f) {
  outVec4[outOffset(item, sub)] = Stored4(sums[0]);
  if (sub + 1u < SCALE * SCALE) {
    outVec4[outOffset(item, sub + 1u)] = Stored4(sums[1]);
    outVec4[outOffset(item, sub + 2u)] = Stored4(sums[2]);
    outVec4[outOffset(item, sub + 3u)] = Stored4(sums[3]);
  }
}

fn storePlanes(item: Item, sub: u32, sums: mat4x4f) {
  storePixel(item, sub, sums[0]);
  if (sub + 1u < SCALE * SCALE) {
    storePixel(item, sub + 1u, sums[1]);
    storePixel(item, sub + 2u, sums[2]);
    storePixel(item, sub + 3u, sums[3]);
  }
}

fn storePixel(item: Item, sub: u32, sum: vec4f) {
  let plane = params.h * params.w * SCALE * SCALE;
  let at = planeOffset(item, sub, item.channel * 4u, params.c * 4u);
  out[at] = Stored(sum.x);
  out[at + plane] = Stored(sum.y);
  out[at + 2u * plane] = Stored(sum.z);
  out[at + 3u * plane] = Stored(sum.w);
}

// Grids are 2D because one dimension holds 65535 workgroups at most.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

fn itemOf(i: u32) -> Item {
  if (PLANES) { return itemAt(i % (params.h * params.w) + i / (params.h * params.w * params.c) * (params.h * params.w), i / (params.h * params.w) % params.c); }
  return itemAt(i / params.c, i % params.c);
}

fn itemAt(pixel: u32, channel: u32) -> Item {
  let row = pixel / params.w;
  let kernel = (pixel * params.groups + channel / params.perGroup) * params.kUp * params.kUp * SCALE * SCALE;
  return Item(row / params.h, row % params.h, pixel % params.w, channel, kernel);
}

fn tapAt(position: u32, tap: u32) -> i32 {
  return i32(position) + i32(tap) - i32(params.kUp / 2u);
}

// The source index for a tap at i, possibly outside 0..size; -1 where the tap reads zero. As core/shapes.ts borderIndex.
fn borderIndex(i: i32, size: i32) -> i32 {
  if (i >= 0 && i < size) { return i; }
  if (PADDING == 0u) { return -1; }
  if (PADDING == 1u) { return clamp(i, 0, size - 1); }
  if (size == 1) { return 0; }
  let period = 2 * (size - 1); // reflections repeat: a window may be larger than the map
  let phase = ((i % period) + period) % period;
  return select(period - phase, phase, phase < size);
}

fn sourceOffset(item: Item, iy: i32, ix: i32) -> u32 {
  return ((item.image * params.h + u32(iy)) * params.w + u32(ix)) * params.c + item.channel;
}

fn stridedOffset(channel: u32, item: Item, iy: i32, ix: i32) -> u32 {
  return item.image * params.imageStride + (u32(iy) * params.w + u32(ix)) * params.pixelStride + channel * params.channelStride;
}

fn planeFeatures(item: Item, iy: i32, ix: i32) -> vec4f {
  let at = stridedOffset(item.channel * 4u, item, iy, ix);
  let step = params.channelStride;
  return vec4f(f32(features[at]), f32(features[at + step]), f32(features[at + 2u * step]), f32(features[at + 3u * step]));
}

fn outOffset(item: Item, sub: u32) -> u32 {
  if (PLANES) { return planeOffset(item, sub, item.channel, params.c); }
  let oy = (item.image * params.h + item.py) * SCALE + sub / SCALE;
  return (oy * params.w * SCALE + item.px * SCALE + sub % SCALE) * params.c + item.channel;
}

fn planeOffset(item: Item, sub: u32, channel: u32, channels: u32) -> u32 {
  let oy = ((item.image * channels + channel) * params.h + item.py) * SCALE + sub / SCALE;
  return oy * params.w * SCALE + item.px * SCALE + sub % SCALE;
}
