// normalizerGradient: what a loss changes by the logits v, given what it changes by the kernels k (gradient g):
//   softmax k * (g - sum(g * k)); sigmoid k * (1 - k) * g; sigmoid-normalized k * (1 - sigmoid(v)) * (g - sum(g * k)); sums over the taps.
// logits, kernels, gradient (n, h, w, groups*kUp^2*s^2), [g][tap][sub-pixel] inside a row -> the same.
// Reference: src/backends/reference/normalizer-gradient.ts.
// Schedule: one invocation = all taps of a column, which is one group and sub-pixel of one pixel.
// requires: prelude, normalizer

struct Params {
  columns: u32, // n * h * w * groups * s^2
  taps: u32,    // kUp^2
  subs: u32,    // s^2
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> kernels: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn normalizerGradient(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.columns) { return; }
  let first = (i / params.subs) * params.taps * params.subs + i % params.subs;
  var sum = 0.0;
  if (NORMALIZER != SIGMOID) {
    for (var tap = 0u; tap < params.taps; tap++) {
      let at = first + tap * params.subs;
      sum += gradient[at] * kernels[at];
    }
  }
  for (var tap = 0u; tap < params.taps; tap++) {
    let at = first + tap * params.subs;
    let k = kernels[at];
    var value = k * (gradient[at] - sum);
    if (NORMALIZER == SIGMOID) { value *= 1.0 - k; }
    if (NORMALIZER == SIGMOID_NORMALIZED) { value *= sigmoid(vec4f(-logits[at]), vec4f()).x; }
    y[at] = value;
  }
}
