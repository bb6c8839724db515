// projectionError: by how much an enlargement, shrunk again, misses its source.
// big (n, h*s, w*s, 1)   gains (n, h, w, 2)   small (n, h, w, 1)   errors (n, h, w, 1)
//   errors = strength * clamp(small - shrunk, -0.02, 0.02), shrunk = bicubic (a = -0.5, antialiasing) of
//   gain_a * clamp(big, 0, 1) + gain_b; the s x s pixels of the edges' source pixels are repeated
// Reference: src/backends/reference/projection-error.ts. Weights as src/core/resize-taps.ts has them.
// Schedule: two dispatches, first along the rows, then down the columns; one invocation = one value.
// requires: prelude, resize-taps

struct Params {
  invocations: u32, // n * h*s * w, then n * h * w
  h: u32,           // rows of small
  w: u32,           // pixels of its rows
  scale: u32,       // s
  strength: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> big: array<f32>;              // (n, h*s, w*s)
@group(0) @binding(2) var<storage, read> gains: array<vec2f>;          // (n, h, w)
@group(0) @binding(3) var<storage, read_write> narrowOut: array<f32>;  // (n, h*s, w)

@group(0) @binding(1) var<storage, read> narrow: array<f32>;           // (n, h*s, w)
@group(0) @binding(2) var<storage, read> small: array<f32>;            // (n, h, w)
@group(0) @binding(3) var<storage, read_write> errorsOut: array<f32>;  // (n, h, w)

@compute @workgroup_size(WORKGROUP)
fn shrinkRows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let row = i / params.w; // over all images: h*s is a multiple of s
  let gainsRow = row / params.scale * params.w;
  var sum = 0.0;
  for (var tap = 0u; tap < 4u * params.scale; tap++) {
    let at = pixelOf(i % params.w, tap, params.w);
    let gain = gains[gainsRow + at / params.scale];
    sum += weightOf(tap) * (gain.x * clamp(big[row * params.w * params.scale + at], 0.0, 1.0) + gain.y);
  }
  narrowOut[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn projectionError(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let image = i / params.w / params.h;
  var sum = 0.0;
  for (var tap = 0u; tap < 4u * params.scale; tap++) {
    let row = image * params.h * params.scale + pixelOf(i / params.w % params.h, tap, params.h);
    sum += weightOf(tap) * narrow[row * params.w + i % params.w];
  }
  errorsOut[i] = params.strength * clamp(small[i] - sum, -0.02, 0.02);
}

// Pixels of the enlargement before those of a source pixel.
fn before() -> u32 {
  return 3u * params.scale / 2u;
}

// The row or column of the enlargement that a tap of row or column `at` of the source reads.
fn pixelOf(at: u32, tap: u32, size: u32) -> u32 {
  let s = params.scale;
  let pixel = (at + 2u) * s + tap - before(); // of an enlargement with two more source pixels before it
  let source = clamp(i32(pixel / s) - 2, 0, i32(size) - 1);
  return u32(source) * s + pixel % s;
}

// The cubic kernel at t = |tap - centre| / s, over s. In integers where it would cancel.
fn weightOf(tap: u32) -> f32 {
  let s = i32(params.scale);
  let n = abs(2 * (i32(tap) - i32(before())) - (s - 1)); // 2 s t
  let unit = 1.0 / f32(2 * s);
  if (n <= 2 * s) { return 2.0 * unit * inner(f32(n) * unit, f32(2 * s - n) * unit, -0.5); }
  if (n >= 4 * s) { return 0.0; }
  let t = f32(n - 2 * s) * unit;
  let m = f32(4 * s - n) * unit; // 1 - t
  return 2.0 * unit * -0.5 * t * m * m;
}
