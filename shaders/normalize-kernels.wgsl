// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (n, h, w, groups*kUp^2*s^2) -> the same shape, [g][tap][sub-pixel] inside a row.
// CARAFE, arXiv:1905.02188, section 3.2 (kernel normalizer) and table 7. Reference: src/backends/reference/normalize-kernels.ts.
// Schedule: one invocation = all taps of 4 columns (a column is one group and sub-pixel of one pixel). Where 4 divides s^2 the
// columns are neighbours and load as vectors. Three passes over the taps, exp computed twice: cheaper than a round trip of memory.

override WORKGROUP: u32 = 64; // invocations in a workgroup
override NORMALIZER: u32 = 0; // 0 softmax, 1 sigmoid, 2 sigmoid-normalized

struct Params {
  columns: u32, // n * h * w * groups * s^2
  taps: u32,    // kUp^2
  subs: u32,    // s^2
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<f32>;          // (n * h * w * groups, taps, subs)
@group(0) @binding(1) var<storage, read> rowsVec4: array<vec4f>;    // (n * h * w * groups, taps, subs / 4)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;       // (n * h * w * groups, taps, subs)
@group(0) @binding(2) var<storage, read_write> yVec4: array<vec4f>; // (n * h * w * groups, taps, subs / 4)

@compute @workgroup_size(WORKGROUP)
fn normalizeVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i * 4u >= params.columns) { return; }
  let step = params.subs / 4u;
  let first = (i / step) * params.taps * step + i % step;
  var largest = rowsVec4[first];
  var sum = vec4f();
  if (NORMALIZER != 1u) {
    for (var tap = 1u; tap < params.taps; tap++) { largest = max(largest, rowsVec4[first + tap * step]); }
    for (var tap = 0u; tap < params.taps; tap++) { sum += weight(rowsVec4[first + tap * step], largest); }
  }
  for (var tap = 0u; tap < params.taps; tap++) {
    yVec4[first + tap * step] = normalized(rowsVec4[first + tap * step], largest, sum);
  }
}

@compute @workgroup_size(WORKGROUP)
fn normalizeScalar(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local) * 4u;
  if (i >= params.columns) { return; }
  let columns = vec4u(i, i + 1u, i + 2u, i + 3u);
  let inside = columns < vec4u(params.columns);
  // Columns past the end repeat the first one and are not stored.
  let used = select(vec4u(i), columns, inside);
  let first = (used / params.subs) * params.taps * params.subs + used % params.subs;
  var largest = load(first);
  var sum = vec4f();
  if (NORMALIZER != 1u) {
    for (var tap = 1u; tap < params.taps; tap++) { largest = max(largest, load(first + tap * params.subs)); }
    for (var tap = 0u; tap < params.taps; tap++) { sum += weight(load(first + tap * params.subs), largest); }
  }
  for (var tap = 0u; tap < params.taps; tap++) {
    let at = first + tap * params.subs;
    let value = normalized(load(at), largest, sum);
    y[at.x] = value.x;
    if (inside.y) { y[at.y] = value.y; }
    if (inside.z) { y[at.z] = value.z; }
    if (inside.w) { y[at.w] = value.w; }
  }
}

// Grids are 2D because one dimension holds 65535 workgroups at most.
fn invocation(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

fn load(at: vec4u) -> vec4f {
  return vec4f(rows[at.x], rows[at.y], rows[at.z], rows[at.w]);
}

fn normalized(v: vec4f, largest: vec4f, sum: vec4f) -> vec4f {
  if (NORMALIZER == 1u) { return sigmoid(v, vec4f()); }
  return weight(v, largest) / sum;
}

// What is divided by its sum over the taps; both kinds are scaled so that the largest is at least 1/2 and no sum underflows.
fn weight(v: vec4f, largest: vec4f) -> vec4f {
  if (NORMALIZER == 0u) { return exp(v - largest); }
  return sigmoid(v, min(largest, vec4f()));
}

// sigmoid(v) * exp(-offset), offset <= 0 and not below a negative v: exp only of what is not positive.
fn sigmoid(v: vec4f, offset: vec4f) -> vec4f {
  let e = exp(-abs(v));
  return select(exp(min(v - offset, vec4f())), vec4f(1.0), v >= vec4f()) / (1.0 + e);
}
