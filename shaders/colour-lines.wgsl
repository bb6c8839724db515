// colourLines: along which line the colours around a source pixel lie, and between which bounds.
// pixels (h, w)   luma (h, w, 1)   chroma (h, w, 2), edges replicated; slopes (h, w, 2), low and high (h, w)
//   rho = min(1, (cov(Y, Cb)^2 + cov(Y, Cr)^2) / ((var Y + 1e-6) * (var Cb + var Cr + 3e-5))), over 3x3 pixels
//   slope_c = cov(Y, c) / (var Y + 3e-5) * rho^2
//   m = floor(12 + 255 * var Y / (var Y + 0.03) * (10 * max(0, 0.2 - max(|slope_b|, |slope_r|)) + max(0, 0.9 - rho)))
//   low, high: min - m, max + m of R, G, B over 5x5 pixels; min - 4, max + 4 of A over 3x3; saturated to 0..255
// Reference: src/backends/reference/colour-lines.ts. A pixel is one u32, red in its lowest byte.
// Schedule: one invocation = one source pixel. Moments are of differences to its own colour: means of products less
// products of means
// would cancel.
// requires: prelude

struct Params {
  pixels: u32, // h * w: the invocations
  h: u32,      // rows
  w: u32,      // pixels of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rgba: array<u32>;               // (h, w)
@group(0) @binding(2) var<storage, read> luma: array<f32>;            // (h, w), and alpha, which is not read
@group(0) @binding(3) var<storage, read> chroma: array<vec2f>;         // (h, w): Cb, Cr
@group(0) @binding(4) var<storage, read_write> slopesOut: array<vec2f>; // (h, w): of Cb, Cr
@group(0) @binding(5) var<storage, read_write> lowOut: array<u32>;       // (h, w)
@group(0) @binding(6) var<storage, read_write> highOut: array<u32>;      // (h, w)

@compute @workgroup_size(WORKGROUP)
fn colourLines(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.pixels) { return; }
  let x = i32(i % params.w);
  let y = i32(i / params.w);
  let own = vec3f(luma[i], chroma[i]);
  var sum = vec3f();
  var sumOfSquares = vec3f();
  var sumOfProducts = vec2f();
  var low = vec4u(255u);
  var high = vec4u();
  for (var dy = -2; dy <= 2; dy++) {
    let row = u32(clamp(y + dy, 0, i32(params.h) - 1)) * params.w;
    for (var dx = -2; dx <= 2; dx++) {
      let at = row + u32(clamp(x + dx, 0, i32(params.w) - 1));
      let bytes = (vec4u(rgba[at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
      let near = max(abs(dx), abs(dy)) < 2;
      let counts = vec4<bool>(true, true, true, near);
      low = select(low, min(low, bytes), counts);
      high = select(high, max(high, bytes), counts);
      if (near) {
        let v = vec3f(luma[at], chroma[at]) - own;
        sum += v;
        sumOfSquares += v * v;
        sumOfProducts += v.x * v.yz;
      }
    }
  }
  let mean = sum / 9.0;
  let variances = sumOfSquares / 9.0 - mean * mean;
  let cov = sumOfProducts / 9.0 - mean.x * mean.yz;
  let rho = min(1.0, dot(cov, cov) / ((variances.x + 1e-6) * (variances.y + variances.z + 3e-5)));
  let slopes = cov * (rho * rho / (variances.x + 3e-5));
  let doubt = 10.0 * max(0.0, 0.2 - max(abs(slopes.x), abs(slopes.y))) + max(0.0, 0.9 - rho);
  let m = u32(min(255.0, 12.0 + 255.0 * (variances.x / (variances.x + 0.03)) * doubt));
  let margin = vec4u(m, m, m, 4u);
  slopesOut[i] = slopes;
  lowOut[i] = packed(low - min(low, margin));
  highOut[i] = packed(min(high + margin, vec4u(255u)));
}

fn packed(bytes: vec4u) -> u32 {
  return bytes.r | (bytes.g << 8u) | (bytes.b << 16u) | (bytes.a << 24u);
}
