// What every shader begins with. Before it come the types of the tensors, since `override` constants choose none (src/backends/webgpu/shader.ts):
// the values of binding 1 are stored as Stored1, f32 or f16, or in vectors of 4 as Stored1Vec4; SECTOR1 of those are 32 bytes, the least
// that a GPU fetches. What is computed is f32.

override WORKGROUP: u32 = 64; // invocations in a workgroup, where entry points do not say otherwise

// The number of a workgroup. Grids are 2D because one dimension holds 65535 workgroups at most.
fn workgroupIndex(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

// The number of an invocation.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return workgroupIndex(group, groups) * WORKGROUP + local;
}

// `value`, but NaN where v is. By the bits: max, min, clamp and exp may drop NaN, and a compiler may take comparisons for granted (WGSL, 15.7.2).
fn orNaN(v: vec4f, value: vec4f) -> vec4f {
  return select(value, v, isNaN(v));
}

// NaN except where `right`.
fn nanUnless(right: vec4<bool>, value: vec4f) -> vec4f {
  return select(bitcast<vec4f>(bitcast<vec4u>(value) | vec4u(0x7fc00000u)), value, right);
}

fn isFinite(v: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(v) & vec4u(0x7f800000u)) != vec4u(0x7f800000u);
}

fn isNaN(v: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}
