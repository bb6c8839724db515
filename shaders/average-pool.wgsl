// averagePool: means of the windows floor(i*h/height) .. ceil((i+1)*h/height) - 1 on each axis.
// x (n, h, w, c) -> (n, height, width, c). torch.nn.AdaptiveAvgPool2d. Reference: src/backends/reference/average-pool.ts.
// Schedule: one invocation = one value of the output; neighbouring invocations read neighbouring channels.
// requires: prelude

struct Params {
  invocations: u32, // n * height * width * c
  h: u32,           // rows of x
  w: u32,           // pixels of its rows
  c: u32,           // channels
  height: u32,      // rows of y
  width: u32,       // pixels of its rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;       // (n, h, w, c)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>; // (n, height, width, c)

@compute @workgroup_size(WORKGROUP)
fn averagePool(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let pixel = i / params.c;
  let row = pixel / params.width;
  let vertical = window(row % params.height, params.h, params.height);
  let horizontal = window(pixel % params.width, params.w, params.width);
  var sum = 0.0;
  for (var iy = vertical.x; iy < vertical.y; iy++) {
    for (var ix = horizontal.x; ix < horizontal.y; ix++) {
      sum += f32(x[((row / params.height * params.h + iy) * params.w + ix) * params.c + i % params.c]);
    }
  }
  y[i] = Stored2(sum / f32((vertical.y - vertical.x) * (horizontal.y - horizontal.x)));
}

// From, and the one after the last.
fn window(o: u32, size: u32, outSize: u32) -> vec2u {
  return vec2u(o * size / outSize, ((o + 1u) * size + outSize - 1u) / outSize);
}
