// gridSample: x where each output pixel says, bilinear, edges replicated.
// x (n, h, w, c)   offsets (n, height, width, 2*groups), horizontal then vertical -> (n, height, width, c).
// torch F.grid_sample(align_corners=False, padding_mode='border'). Reference: src/backends/reference/grid-sample.ts.
// Schedule: one invocation = one value of the output; neighbouring invocations read neighbouring channels.
// requires: prelude

struct Params {
  invocations: u32, // n * height * width * c
  h: u32,           // rows of x
  w: u32,           // pixels of its rows
  c: u32,           // channels
  height: u32,      // rows of y
  width: u32,       // pixels of its rows
  groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Stored1>;       // (n, h, w, c)
@group(0) @binding(2) var<storage, read> offsets: array<Stored2>; // (n, height, width, 2 * groups)
@group(0) @binding(3) var<storage, read_write> y: array<Stored3>; // (n, height, width, c)

@compute @workgroup_size(WORKGROUP)
fn gridSample(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.invocations) { return; }
  let channel = i % params.c;
  let pixel = i / params.c;
  let row = pixel / params.width;
  let given = pixel * 2u * params.groups + channel / (params.c / params.groups);
  let px = position(pixel % params.width, params.w, params.width, f32(offsets[given]));
  let py = position(row % params.height, params.h, params.height, f32(offsets[given + params.groups]));
  let top = (row / params.height * params.h + py.first) * params.w;
  let bottom = (row / params.height * params.h + py.second) * params.w;
  let above = mixed(top, px, channel);
  let below = mixed(bottom, px, channel);
  y[i] = Stored3((1.0 - py.share) * above + py.share * below);
}

// Two neighbouring rows or columns, and how much there is of the second.
struct Position { first: u32, second: u32, share: f32 }

fn position(o: u32, size: u32, outSize: u32, offset: f32) -> Position {
  let at = (f32(o) + 0.5) * (f32(size) / f32(outSize)) - 0.5 + offset;
  let last = f32(size - 1u);
  // A NaN gets a place to read from, and stays the share.
  let nan = isNaN(vec4f(at)).x;
  let inside = clamp(select(at, 0.0, nan), 0.0, last);
  let first = floor(inside);
  return Position(u32(first), min(u32(first) + 1u, size - 1u), select(inside - first, at, nan));
}

fn mixed(line: u32, px: Position, channel: u32) -> f32 {
  return (1.0 - px.share) * f32(x[(line + px.first) * params.c + channel]) + px.share * f32(x[(line + px.second) * params.c + channel]);
}
