// pixelShuffle: out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx]; pixelUnshuffle is its inverse.
// rows (n, h, w, c*s*s)   pixels (n, h*s, w*s, c). torch.nn.PixelShuffle; the order of CARAFE's encoder channels.
// Reference: src/backends/reference/pixel-shuffle.ts.
// Schedule: one invocation = one value of the output, so that the stores are contiguous.
// requires: prelude

override INVERSE: bool = false; // pixelUnshuffle

struct Params {
  invocations: u32, // values in all images
  h: u32,           // rows of the smaller side
  w: u32,           // pixels of its rows
  c: u32,           // channels of the larger side
  scale: u32,       // s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;       // (n, h, w, c*s*s), inverse: (n, h*s, w*s, c)
@group(0) @binding(2) var<storage, read_write> y: array<Stored2>; // (n, h*s, w*s, c), inverse: (n, h, w, c*s*s)

@compute @workgroup_size(WORKGROUP)
fn shuffle(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  if (INVERSE) { y[i] = Stored2(x[pixelOffset(i)]); } else { y[i] = Stored2(x[rowOffset(i)]); }
}

// Offset in rows (n, h, w, c*s*s) of value i of pixels (n, h*s, w*s, c).
fn rowOffset(i: u32) -> u32 {
  let s = params.scale;
  let channel = i % params.c;
  let pixel = i / params.c;
  let ox = pixel % (params.w * s);
  let oy = pixel / (params.w * s); // over all images: h*s is a multiple of s
  return (((oy / s) * params.w + ox / s) * params.c + channel) * s * s + (oy % s) * s + ox % s;
}

// Offset in pixels (n, h*s, w*s, c) of value i of rows (n, h, w, c*s*s).
fn pixelOffset(i: u32) -> u32 {
  let s = params.scale;
  let sx = i % s;
  let sy = (i / s) % s;
  let channel = (i / s / s) % params.c;
  let pixel = i / s / s / params.c;
  let px = pixel % params.w;
  let py = pixel / params.w;
  return ((py * s + sy) * params.w * s + px * s + sx) * params.c + channel;
}
