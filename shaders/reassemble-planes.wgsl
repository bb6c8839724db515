// reassemble.wgsl on 4 channels, NCHW out, either layout in: neighbouring invocations take neighbouring pixels, so that loads and stores of a
// plane are contiguous.
// requires: reassemble

@group(0) @binding(1) var<storage, read> features: array<Stored1>;  // (n, h, w, C) or (n, C, h, w)
@group(0) @binding(3) var<storage, read_write> out: array<Stored3>; // (n, C, h*s, w*s)

alias FourPixels = mat4x4f; // a column of 4 channels for each sub-pixel

fn weighted(f: vec4f, kernels: vec4f) -> FourPixels {
  return mat4x4f(f * kernels.x, f * kernels.y, f * kernels.z, f * kernels.w);
}

fn featuresAt(item: Item, iy: i32, ix: i32) -> vec4f {
  let at = stridedOffset(item.channel * 4u, item, iy, ix);
  let step = params.channelStride;
  return vec4f(f32(features[at]), f32(features[at + step]), f32(features[at + 2u * step]), f32(features[at + 3u * step]));
}

fn store(item: Item, sub: u32, sum: vec4f) {
  let plane = params.h * params.w * SCALE * SCALE;
  let at = planeOffset(item, sub, item.channel * 4u, params.c * 4u);
  out[at] = Stored3(sum.x);
  out[at + plane] = Stored3(sum.y);
  out[at + 2u * plane] = Stored3(sum.z);
  out[at + 3u * plane] = Stored3(sum.w);
}
