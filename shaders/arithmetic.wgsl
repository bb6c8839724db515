// arithmetic: y = a + b, a * b, a / b, min(a, b) or max(a, b), value by value; a NaN of either stays one.
// a (n, h, w, c)   b (n, h, w, c), (n, h, w, 1) or a number -> (n, h, w, c). Reference: src/backends/reference/arithmetic.ts.
// Schedule: one invocation = one value.
// requires: prelude

const ADD = 0u;
const MULTIPLY = 1u;
const DIVIDE = 2u;
const MINIMUM = 3u;
const MAXIMUM = 4u;

struct Params {
  invocations: u32, // values of a
  per: u32,         // values of a for each of b; 0: b is `value`
  operation: u32,   // ADD, MULTIPLY, ...
  value: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Stored1>;
@group(0) @binding(2) var<storage, read> b: array<Stored2>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored3>;

@compute @workgroup_size(WORKGROUP)
fn arithmetic(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let left = f32(a[i]);
  var right = params.value;
  if (params.per > 0u) { right = f32(b[i / params.per]); }
  y[i] = Stored3(calculate(left, right));
}

fn calculate(left: f32, right: f32) -> f32 {
  switch (params.operation) {
    case ADD: { return left + right; }
    case MULTIPLY: { return left * right; }
    case DIVIDE: { return left / right; }
    case MINIMUM: { return unlessNaN(left, right, min(left, right)); }
    default: { return unlessNaN(left, right, max(left, right)); }
  }
}

// By the bits, as orNaN of the prelude.
fn unlessNaN(left: f32, right: f32, value: f32) -> f32 {
  return orNaN(vec4f(left), orNaN(vec4f(right), vec4f(value))).x;
}
