// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (n, h, w, groups*kUp^2*s^2) -> the same shape, [g][tap][sub-pixel] inside a row.
// CARAFE, arXiv:1905.02188, section 3.2 (kernel normalizer) and table 7. Reference: src/backends/reference/normalize-kernels.ts.
// Schedule: one invocation = all taps of 4 columns (a column is one group and sub-pixel of one pixel). Where 4 divides s^2 the
// columns are neighbours and load as vectors. Three passes over the taps, exp computed twice: cheaper than a round trip of memory.
// requires: prelude, normalizer

struct Params {
  columns: u32, // n * h * w * groups * s^2
  taps: u32,    // kUp^2
  subs: u32,    // s^2
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<Stored1>;          // (n * h * w * groups, taps, subs)
@group(0) @binding(1) var<storage, read> rowsVec4: array<Stored1Vec4>;    // (n * h * w * groups, taps, subs / 4)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>;       // (n * h * w * groups, taps, subs)
@group(0) @binding(2) var<storage, read_write> yVec4: array<Stored2Vec4>; // (n * h * w * groups, taps, subs / 4)

@compute @workgroup_size(WORKGROUP)
fn normalizeVec4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i * 4u >= params.columns) { return; }
  let step = params.subs / 4u;
  let first = (i / step) * params.taps * step + i % step;
  var largest = vec4f(rowsVec4[first]);
  var sum = vec4f();
  if (NORMALIZER != SIGMOID) {
    for (var tap = 1u; tap < params.taps; tap++) { largest = max(largest, vec4f(rowsVec4[first + tap * step])); }
    for (var tap = 0u; tap < params.taps; tap++) { sum += weight(vec4f(rowsVec4[first + tap * step]), largest); }
  }
  for (var tap = 0u; tap < params.taps; tap++) {
    yVec4[first + tap * step] = Stored2Vec4(normalized(weight(vec4f(rowsVec4[first + tap * step]), largest), sum));
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
  if (NORMALIZER != SIGMOID) {
    for (var tap = 1u; tap < params.taps; tap++) { largest = max(largest, load(first + tap * params.subs)); }
    for (var tap = 0u; tap < params.taps; tap++) { sum += weight(load(first + tap * params.subs), largest); }
  }
  for (var tap = 0u; tap < params.taps; tap++) {
    let at = first + tap * params.subs;
    let value = normalized(weight(load(at), largest), sum);
    y[at.x] = Stored2(value.x);
    if (inside.y) { y[at.y] = Stored2(value.y); }
    if (inside.z) { y[at.z] = Stored2(value.z); }
    if (inside.w) { y[at.w] = Stored2(value.w); }
  }
}

fn load(at: vec4u) -> vec4f {
  return vec4f(f32(rows[at.x]), f32(rows[at.y]), f32(rows[at.z]), f32(rows[at.w]));
}
