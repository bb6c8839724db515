// layout: [n, c, h, w] <-> [n, h, w, c], a permutation of one axis past the other two: each image is a matrix transposed.
// x (n, rows, columns) -> y (n, columns, rows); nchwToNhwc has rows = c, columns = h*w, nhwcToNchw the reverse.
// Reference: src/backends/reference/layout.ts.
// Schedule: one invocation = a 4x4 block in registers, loaded and stored as vectors, where 4 divides both sides; else one value.
// requires: prelude

struct Params {
  invocations: u32, // blocks or values in all images
  rows: u32,        // of x
  columns: u32,     // of x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;             // (n, rows, columns)
@group(0) @binding(1) var<storage, read> xVec4: array<Stored1Vec4>;       // (n, rows, columns / 4)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>;       // (n, columns, rows)
@group(0) @binding(2) var<storage, read_write> yVec4: array<Stored2Vec4>; // (n, columns, rows / 4)

@compute @workgroup_size(WORKGROUP)
fn transposeVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let rowBlocks = params.rows / 4u;
  let columnBlocks = params.columns / 4u;
  let column = i % columnBlocks;
  let row = (i / columnBlocks) % rowBlocks;
  let image = i / columnBlocks / rowBlocks;
  let source = (image * params.rows + row * 4u) * columnBlocks + column;
  let block = transpose(mat4x4f(
    vec4f(xVec4[source]),
    vec4f(xVec4[source + columnBlocks]),
    vec4f(xVec4[source + 2u * columnBlocks]),
    vec4f(xVec4[source + 3u * columnBlocks]),
  ));
  let first = (image * params.columns + column * 4u) * rowBlocks + row;
  yVec4[first] = Stored2Vec4(block[0]);
  yVec4[first + rowBlocks] = Stored2Vec4(block[1]);
  yVec4[first + 2u * rowBlocks] = Stored2Vec4(block[2]);
  yVec4[first + 3u * rowBlocks] = Stored2Vec4(block[3]);
}

@compute @workgroup_size(WORKGROUP)
fn transposeScalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let row = i % params.rows;
  let column = (i / params.rows) % params.columns;
  let image = i / params.rows / params.columns;
  y[i] = Stored2(x[(image * params.rows + row) * params.columns + column]);
}
