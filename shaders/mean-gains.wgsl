// meanGains: gains (a, b) for each source pixel, with which a * clamp(big, 0, 1) + b has the local means of `small`.
// big (n, h*s, w*s, 1)   small (n, h, w, 1)   gains (n, h, w, 2)
//   mean = blur(mean of clamp(big, 0, 1) over s x s pixels), target = blur(small); blur is [1 4 6 4 1] / 16 on both
//   axes, edges replicated
//   mean > target: a = (target + e) / (mean + e), b = 0; else a = (1 - target + e) / (1 - mean + e), b = 1 - a; e =
//   1e-3
// Reference: src/backends/reference/mean-gains.ts.
// Schedule: two dispatches, one invocation = one source pixel.
// requires: prelude

struct Params {
  invocations: u32, // n * h * w
  h: u32,           // rows of small
  w: u32,           // pixels of its rows
  scale: u32,       // s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> big: array<f32>;            // (n, h*s, w*s)
@group(0) @binding(2) var<storage, read_write> meansOut: array<f32>; // (n, h, w)

@group(0) @binding(1) var<storage, read> means: array<f32>;           // (n, h, w)
@group(0) @binding(2) var<storage, read> small: array<f32>;           // (n, h, w)
@group(0) @binding(3) var<storage, read_write> gainsOut: array<vec2f>; // (n, h, w)

@compute @workgroup_size(WORKGROUP)
fn cellMeans(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let s = params.scale;
  let row = i / params.w * s; // over all images: h*s is a multiple of s
  let column = i % params.w * s;
  var sum = 0.0;
  for (var sy = 0u; sy < s; sy++) {
    for (var sx = 0u; sx < s; sx++) {
      sum += clamp(big[(row + sy) * params.w * s + column + sx], 0.0, 1.0);
    }
  }
  meansOut[i] = sum / f32(s * s);
}

const E = 1e-3;

@compute @workgroup_size(WORKGROUP)
fn meanGains(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let x = i32(i % params.w);
  let y = i32(i / params.w % params.h);
  let image = i / params.w / params.h * params.h;
  var mean = 0.0;
  var wanted = 0.0;
  for (var dy = -2; dy <= 2; dy++) {
    let row = (image + u32(clamp(y + dy, 0, i32(params.h) - 1))) * params.w;
    var meanOfRow = 0.0;
    var wantedOfRow = 0.0;
    for (var dx = -2; dx <= 2; dx++) {
      let at = row + u32(clamp(x + dx, 0, i32(params.w) - 1));
      meanOfRow += weight(dx) * means[at];
      wantedOfRow += weight(dx) * small[at];
    }
    mean += weight(dy) * meanOfRow;
    wanted += weight(dy) * wantedOfRow;
  }
  let darker = mean > wanted;
  let a = select((1.0 - wanted + E) / (1.0 - mean + E), (wanted + E) / (mean + E), darker);
  gainsOut[i] = vec2f(a, select(1.0 - a, 0.0, darker));
}

// [1 4 6 4 1] / 16
fn weight(d: i32) -> f32 {
  return select(select(0.0625, 0.25, abs(d) == 1), 0.375, d == 0);
}
