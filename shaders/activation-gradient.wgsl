// activationGradient: gradient * activation'(sums): relu 1 above 0, else 0; leaky-relu 1 or the slope; silu s * (1 + v * (1 - s)),
// s = sigmoid(v); hardswish v / 3 + 1 / 2 between -3 and 3, 0 below, 1 above. All (n, h, w, c).
// Reference: src/backends/reference/activation-gradient.ts. Schedule: one invocation = one value.
// requires: prelude

struct Params {
  invocations: u32,
  slope: f32,
}

const RELU = 1u;
const LEAKY_RELU = 2u;
const SILU = 3u;
const HARDSWISH = 4u;

override ACTIVATION: u32 = RELU;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn activationGradient(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  y[i] = gradient[i] * derivative(sums[i]);
}

fn derivative(v: f32) -> f32 {
  switch (ACTIVATION) {
    case SILU: {
      let e = exp(-abs(v));
      let s = select(e, 1.0, v >= 0.0) / (1.0 + e);
      return s * (1.0 + v * (1.0 - s));
    }
    case HARDSWISH: {
      if (v <= -3.0) { return 0.0; }
      return select(v / 3.0 + 0.5, 1.0, v >= 3.0);
    }
    case LEAKY_RELU: { return select(params.slope, 1.0, v > 0.0); }
    default: { return select(0.0, 1.0, v > 0.0); }
  }
}
