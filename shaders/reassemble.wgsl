// reassemble: out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c) or (n, c, h, w)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c) or (n, c, h*s, w*s); K = kUp^2, r = (kUp-1)/2,
// g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
// CARAFE, arXiv:1905.02188, eq. 3; mmcv ops/carafe. Reference: src/backends/reference/reassemble.ts. f32 sums.
// Schedule: one invocation = one source pixel x 4 channels (where 4 divides C/groups) or 1 channel, all s*s outputs, 4 sub-pixels at a time,
// since they share their window: each feature is loaded once for 4 outputs. Two texts come with this one: what an invocation loads and
// stores (reassemble-vec4.wgsl, -planes, -scalar), and how kernels are loaded (reassemble-even.wgsl, -odd).
// requires: prelude

const ZERO = 0u;
const REPLICATE = 1u;
const REFLECT = 2u;

override SCALE: u32 = 2; // s
override PADDING: u32 = ZERO;
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

// What one invocation computes.
struct Item {
  image: u32,   // 0..n
  py: u32,      // source row
  px: u32,      // source column
  channel: u32, // vector (vec4, planes) or value (scalar) of 0..c
  kernel: u32,  // first kernel value of the pixel's group: [tap][sub-pixel] follow
}

@compute @workgroup_size(WORKGROUP)
fn reassemble(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let item = itemOf(i);
  for (var sub = 0u; sub < SCALE * SCALE; sub += 4u) {
    var sums = FourPixels(); // of 4 sub-pixels; s^2 is a multiple of 4, or 1 mod 8: then the last round has one
    var at = item.kernel + sub;
    for (var ky = 0u; ky < params.kUp; ky++) {
      let iy = borderIndex(tapAt(item.py, ky), i32(params.h));
      for (var kx = 0u; kx < params.kUp; kx++) {
        let ix = borderIndex(tapAt(item.px, kx), i32(params.w));
        if (iy >= 0 && ix >= 0) { sums += weighted(featuresAt(item, iy, ix), kernelsAt(at, sub)); }
        at += SCALE * SCALE;
      }
    }
    store(item, sub, sums[0]);
    if (sub + 1u < SCALE * SCALE) {
      store(item, sub + 1u, sums[1]);
      store(item, sub + 2u, sums[2]);
      store(item, sub + 3u, sums[3]);
    }
  }
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
  if (PADDING == ZERO) { return -1; }
  if (PADDING == REPLICATE) { return clamp(i, 0, size - 1); }
  if (size == 1) { return 0; }
  let period = 2 * (size - 1); // reflections repeat: a window may be larger than the map
  let phase = ((i % period) + period) % period;
  return select(period - phase, phase, phase < size);
}

fn stridedOffset(channel: u32, item: Item, iy: i32, ix: i32) -> u32 {
  return item.image * params.imageStride + (u32(iy) * params.w + u32(ix)) * params.pixelStride + channel * params.channelStride;
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
