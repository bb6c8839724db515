// Kernels of reassemble.wgsl where s is even: those of 4 sub-pixels are one vector.
// requires: reassemble

@group(0) @binding(2) var<storage, read> rowsVec4: array<Stored2Vec4>; // (n, h, w, groups, K, s*s / 4)

fn kernelsAt(at: u32, sub: u32) -> vec4f {
  return vec4f(rowsVec4[at / 4u]);
}
