// conv2dGradient: weights[co, ci, ky, kx] = sum over pixels of gradient[n, oy, ox, co] * x[n, oy+(ky-r)d, ox+(kx-r)d, ci]; bias[co] = sum of gradient[n, oy, ox, co].
// x (n, h, w, cIn)   gradient (n, h, w, cOut)   weights (cOut, cIn, k, k)   bias (cOut); r = (k-1)/2, d = dilation; taps outside x are left out.
// Reference: src/backends/reference/conv2d-gradient.ts.
// Schedule: one invocation = one parameter; neighbours have neighbouring output channels, and share x. Sums of a row of pixels first: their rounding
// errors grow with the rows and the columns, not with the pixels.
// requires: prelude

struct Params {
  invocations: u32,
  n: i32,
  h: i32,
  w: i32,
  cIn: u32,
  cOut: u32,
  k: i32,
  dilation: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn byWeights(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let co = i % params.cOut;
  let ci = (i / params.cOut) % params.cIn;
  let tap = i32(i / (params.cOut * params.cIn));
  let dy = (tap / params.k - (params.k - 1) / 2) * params.dilation;
  let dx = (tap % params.k - (params.k - 1) / 2) * params.dilation;
  let left = max(0, -dx);
  let right = min(params.w, params.w - dx);
  var sum = 0.0;
  for (var image = 0; image < params.n; image++) {
    for (var oy = max(0, -dy); oy < min(params.h, params.h - dy); oy++) {
      let row = (image * params.h + oy) * params.w;
      var ofRow = 0.0;
      for (var ox = left; ox < right; ox++) {
        ofRow += gradient[u32(row + ox) * params.cOut + co] * x[u32(row + dy * params.w + ox + dx) * params.cIn + ci];
      }
      sum += ofRow;
    }
  }
  y[(co * params.cIn + ci) * u32(params.k * params.k) + u32(tap)] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn byBias(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let co = invocation(group, groups, local);
  if (co >= params.cOut) { return; }
  var sum = 0.0;
  for (var row = 0; row < params.n * params.h; row++) {
    var ofRow = 0.0;
    for (var ox = 0; ox < params.w; ox++) { ofRow += gradient[u32(row * params.w + ox) * params.cOut + co]; }
    sum += ofRow;
  }
  y[co] = sum;
}
