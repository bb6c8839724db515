// What every shader begins with; before it comes stored-f32.wgsl or stored-f16.wgsl.

override WORKGROUP: u32 = 64; // invocations in a workgroup, where entry points do not say otherwise

// The number of a workgroup. Grids are 2D because one dimension holds 65535 workgroups at most.
fn workgroupIndex(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

// The number of an invocation.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return workgroupIndex(group, groups) * WORKGROUP + local;
}
