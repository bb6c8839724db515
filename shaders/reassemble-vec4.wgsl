// reassemble.wgsl on vectors of 4 channels, NHWC in and out: neighbouring invocations take neighbouring channels and share the kernels.
// requires: reassemble

@group(0) @binding(1) var<storage, read> featuresVec4: array<Stored1Vec4>;  // (n, h, w, C / 4)
@group(0) @binding(3) var<storage, read_write> outVec4: array<Stored3Vec4>; // (n, h*s, w*s, C / 4)

alias FourPixels = mat4x4f; // a column of 4 channels for each sub-pixel

fn weighted(f: vec4f, kernels: vec4f) -> FourPixels {
  return mat4x4f(f * kernels.x, f * kernels.y, f * kernels.z, f * kernels.w);
}

fn featuresAt(item: Item, iy: i32, ix: i32) -> vec4f {
  return vec4f(featuresVec4[((item.image * params.h + u32(iy)) * params.w + u32(ix)) * params.c + item.channel]);
}

fn store(item: Item, sub: u32, sum: vec4f) {
  outVec4[outOffset(item, sub)] = Stored3Vec4(sum);
}
