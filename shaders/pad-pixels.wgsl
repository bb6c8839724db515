// padPixels: out[y, x] = pixels[clamp(y - top, 0, h - 1), clamp(x - left, 0, w - 1)]: a frame with its edges replicated, or with rows
// of another length. A pixel is one u32.
// Only GPUs need it: between a texture, whose rows are multiples of 256 bytes in a buffer, and a program.
// Schedule: one invocation = one pixel of out.
// requires: prelude

struct Params {
  invocations: u32, // outH * outW
  outW: u32,   // pixels in a row of out
  left: u32,   // columns of out before the frame
  top: u32,    // rows of out before it
  h: u32,      // rows of the frame
  w: u32,      // pixels in its rows that are read
  stride: u32, // pixels from one of its rows to the next
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;             // (h, stride)
@group(0) @binding(2) var<storage, read_write> pixelsOut: array<u32>;    // (outH, outW)

@compute @workgroup_size(WORKGROUP)
fn padPixels(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let y = clamp(i32(i / params.outW) - i32(params.top), 0, i32(params.h) - 1);
  let x = clamp(i32(i % params.outW) - i32(params.left), 0, i32(params.w) - 1);
  pixelsOut[i] = pixels[u32(y) * params.stride + u32(x)];
}
