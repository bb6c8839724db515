// Kernels of reassemble.wgsl where s is odd: the last sub-pixel is alone.
// requires: reassemble

@group(0) @binding(2) var<storage, read> rows: array<Stored2>; // (n, h, w, groups, K, s*s)

fn kernelsAt(at: u32, sub: u32) -> vec4f {
  if (sub + 1u == SCALE * SCALE) { return vec4f(f32(rows[at]), 0.0, 0.0, 0.0); }
  return vec4f(f32(rows[at]), f32(rows[at + 1u]), f32(rows[at + 2u]), f32(rows[at + 3u]));
}
