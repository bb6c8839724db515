// reassemble.wgsl on one channel, either layout in and out: where 4 does not divide C/groups.
// requires: reassemble

@group(0) @binding(1) var<storage, read> features: array<Stored1>;  // (n, h, w, C) or (n, C, h, w)
@group(0) @binding(3) var<storage, read_write> out: array<Stored3>; // (n, h*s, w*s, C) or (n, C, h*s, w*s)

alias FourPixels = vec4f;

fn weighted(f: f32, kernels: vec4f) -> FourPixels {
  return f * kernels;
}

fn featuresAt(item: Item, iy: i32, ix: i32) -> f32 {
  return f32(features[stridedOffset(item.channel, item, iy, ix)]);
}

fn store(item: Item, sub: u32, sum: f32) {
  out[outOffset(item, sub)] = Stored3(sum);
}
