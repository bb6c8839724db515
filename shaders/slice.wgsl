// slice: y[n, oy, ox, c] = x[n, top + oy*step, left + ox*step, c]
// x (n, h, w, c) -> (n, height, width, c). Reference: src/backends/reference/slice.ts.
// Schedule: one invocation = one value of the output.
// requires: prelude

struct Params {
  invocations: u32, // n * height * width * c
  h: u32,           // rows of x
  w: u32,           // pixels of its rows
  c: u32,           // channels
  top: u32,
  left: u32,
  height: u32,      // rows of y
  width: u32,       // pixels of its rows
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;       // (n, h, w, c)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>; // (n, height, width, c)

@compute @workgroup_size(WORKGROUP)
fn slice(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let pixel = i / params.c;
  let row = pixel / params.width;
  let iy = params.top + row % params.height * params.step;
  let ix = params.left + pixel % params.width * params.step;
  y[i] = Stored2(x[((row / params.height * params.h + iy) * params.w + ix) * params.c + i % params.c]);
}
