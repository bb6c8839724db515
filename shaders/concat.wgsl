// concat: the channels of x put into those of y, from `first` on.
// x (n, h, w, c) -> y (n, h, w, channels). Reference: src/backends/reference/concat.ts.
// Schedule: a dispatch for each x; one invocation = one of its values.
// requires: prelude

struct Params {
  invocations: u32, // values of x
  c: u32,           // channels of x
  first: u32,       // channel of y
  channels: u32,    // of y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;       // (n, h, w, c)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>; // (n, h, w, channels)

@compute @workgroup_size(WORKGROUP)
fn concat(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  y[i / params.c * params.channels + params.first + i % params.c] = Stored2(x[i]);
}
