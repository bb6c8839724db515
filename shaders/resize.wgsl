// resize: separable interpolation at half-pixel centres, u = (o + 0.5) * in/out - 0.5, taps clamped to the edge, no antialiasing.
// x (n, h, w, c) -> (n, height, width, c). bilinear: 2 taps; bicubic: 4 taps of the cubic convolution kernel with parameter a.
// torch F.interpolate(align_corners=False) (bilinear; bicubic with a = -0.75); Keys 1981, MATLAB imresize and PIL: a = -0.5.
// Reference: src/backends/reference/resize.ts. With the type of a value (resize-vec4.wgsl, resize-scalar.wgsl): Value, stored as StoredValue.
// Schedule: one invocation = one value of one output pixel, both axes at once. A value is 4 channels where 4 divides c, or 1.
// requires: prelude, resize-taps

struct Params {
  invocations: u32, // n * height * width * c
  h: u32,           // rows of x
  w: u32,           // pixels of its rows
  c: u32,           // values of a pixel
  height: u32,      // rows of y
  width: u32,       // pixels of its rows
  fractionH: vec2u, // h / height in lowest terms
  fractionW: vec2u, // w / width in lowest terms
  a: f32,           // of the cubic kernel
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<StoredValue>;       // (n, h, w, c)
@group(0) @binding(2) var<storage, read_write> y: array<StoredValue>; // (n, height, width, c)

@compute @workgroup_size(WORKGROUP)
fn resize(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let channel = i % params.c;
  let pixel = i / params.c;
  let row = pixel / params.width;
  let image = row / params.height;
  let vertical = tapsOf(row % params.height, params.fractionH, params.a);
  let horizontal = tapsOf(pixel % params.width, params.fractionW, params.a);
  // A loop whose end is no constant is not unrolled, and its weights are then indexed in memory.
  var sum = Value();
  for (var ky = 0; ky < 4; ky++) {
    if (ky > 1 && !BICUBIC) { break; }
    let iy = u32(clamp(vertical.first + ky, 0, i32(params.h) - 1));
    var line = Value();
    for (var kx = 0; kx < 4; kx++) {
      if (kx > 1 && !BICUBIC) { break; }
      let ix = u32(clamp(horizontal.first + kx, 0, i32(params.w) - 1));
      line += horizontal.weights[kx] * Value(x[((image * params.h + iy) * params.w + ix) * params.c + channel]);
    }
    sum += vertical.weights[ky] * line;
  }
  y[i] = StoredValue(sum);
}
