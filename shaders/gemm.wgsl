// What conv2d, carafe-pack and reassemble-sum share: the sums of a convolution as an implicit GEMM, a register tile of 4 neighbouring
// pixels of a row x 2 vectors of 4 output channels (12 loads for 32 multiply-adds of vectors), no barriers. f32 sums.
//   sum[p, v] = bias[v] + sum_{ky,kx,ci} x[oy + (ky-r)d, ox+p + (kx-r)d, ci] * weights[ky, kx, ci, v]; r = (k-1)/2, d = dilation; taps outside x read 0.
// weights: row 0 the bias, then a row for each tap and input channel; channels are padded with zeros to whole vectors on both sides.
// requires: prelude

struct Conv {
  h: u32,             // rows of an image
  w: u32,             // pixels of a row
  tiles: u32,         // ceil(w / 4), tiles of 4 pixels in a row
  cIn: u32,           // input channels
  coVectors: u32,     // vectors of 4 in a row of weights
  k: u32,             // taps per axis, odd
  dilation: u32,      // pixels between taps
  imageStride: u32,   // from image to image of x, in values; as the next two only read by sumScalar
  pixelStride: u32,   // cIn in NHWC, 1 in NCHW
  channelStride: u32, // 1 in NHWC, h * w in NCHW
  tileCount: u32,     // n * h * tiles
  work: u32,          // invocations; of entry points with workgroup memory, workgroups
}

@group(0) @binding(0) var<uniform> params: Params; // of the op; has `conv: Conv`
@group(0) @binding(1) var<storage, read> x: array<Stored1>;               // (n, h, w, cIn) or (n, cIn, h, w)
@group(0) @binding(1) var<storage, read> xVec4: array<Stored1Vec4>;          // (n, h, w, cIn / 4)
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;          // (1 + k * k * ceil(cIn / 4) * 4, coVectors)

// 4 pixels of a row.
struct Tile {
  image: u32, // 0..n
  oy: u32,    // row in the image
  ox: u32,    // first pixel
}

// Sums of the 4 pixels for one vector of output channels (a) and another (b).
struct Sums { a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f }

// Offsets in x of the 4 pixels that one tap reads; pixels outside x point at 0 and are masked.
struct Taps { first: vec4u, inside: vec4<bool> }

fn tileOf(tile: u32) -> Tile {
  let row = tile / params.conv.tiles;
  return Tile(row / params.conv.h, row % params.conv.h, (tile % params.conv.tiles) * 4u);
}

// The source row of tap ky, or -1 outside.
fn sourceRow(tile: Tile, ky: u32) -> i32 {
  let iy = i32(tile.oy) + (i32(ky) - i32(params.conv.k / 2u)) * i32(params.conv.dilation);
  return select(-1, iy, iy >= 0 && iy < i32(params.conv.h));
}

fn tapsOf(tile: Tile, iy: i32, kx: u32, imageStride: u32, pixelStride: u32) -> Taps {
  let ix = vec4i(i32(tile.ox) + (i32(kx) - i32(params.conv.k / 2u)) * i32(params.conv.dilation)) + vec4i(0, 1, 2, 3);
  let inside = (ix >= vec4i(0)) & (ix < vec4i(i32(params.conv.w)));
  let row = vec4u(u32(iy) * params.conv.w);
  return Taps(select(vec4u(0u), vec4u(tile.image * imageStride) + (row + vec4u(ix)) * pixelStride, inside), inside);
}

// s + the products of 4 channels of 4 pixels with the weights of vectors a and b (the latter if `two`); `row` is that of the first channel.
fn plusProducts(s: Sums, row: u32, a: u32, b: u32, two: bool, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> Sums {
  let step = params.conv.coVectors;
  let v0 = weights[row + a];
  let v1 = weights[row + step + a];
  let v2 = weights[row + 2u * step + a];
  let v3 = weights[row + 3u * step + a];
  // One multiply-add after the other: each contracts to an FMA, which v0*x.x + v1*x.y + ... would not fully.
  var a0 = s.a0; var a1 = s.a1; var a2 = s.a2; var a3 = s.a3;
  a0 += v0 * x0.x; a1 += v0 * x1.x; a2 += v0 * x2.x; a3 += v0 * x3.x;
  a0 += v1 * x0.y; a1 += v1 * x1.y; a2 += v1 * x2.y; a3 += v1 * x3.y;
  a0 += v2 * x0.z; a1 += v2 * x1.z; a2 += v2 * x2.z; a3 += v2 * x3.z;
  a0 += v3 * x0.w; a1 += v3 * x1.w; a2 += v3 * x2.w; a3 += v3 * x3.w;
  var b0 = s.b0; var b1 = s.b1; var b2 = s.b2; var b3 = s.b3;
  if (two) {
    let u0 = weights[row + b];
    let u1 = weights[row + step + b];
    let u2 = weights[row + 2u * step + b];
    let u3 = weights[row + 3u * step + b];
    b0 += u0 * x0.x; b1 += u0 * x1.x; b2 += u0 * x2.x; b3 += u0 * x3.x;
    b0 += u1 * x0.y; b1 += u1 * x1.y; b2 += u1 * x2.y; b3 += u1 * x3.y;
    b0 += u2 * x0.z; b1 += u2 * x1.z; b2 += u2 * x2.z; b3 += u2 * x3.z;
    b0 += u3 * x0.w; b1 += u3 * x1.w; b2 += u3 * x2.w; b3 += u3 * x3.w;
  }
  return Sums(a0, a1, a2, a3, b0, b1, b2, b3);
}

fn biasOf(a: u32, b: u32) -> Sums {
  let v = weights[a];
  let u = weights[b];
  return Sums(v, v, v, v, u, u, u, u);
}

// cIn a multiple of 4, NHWC. a and b are vectors of a row of weights; b is summed if `two`.
fn sumVec4(tile: Tile, a: u32, b: u32, two: bool) -> Sums {
  let channels = params.conv.cIn / 4u;
  var sums = biasOf(a, b);
  for (var ky = 0u; ky < params.conv.k; ky++) {
    let iy = sourceRow(tile, ky);
    if (iy < 0) { continue; }
    for (var kx = 0u; kx < params.conv.k; kx++) {
      let taps = tapsOf(tile, iy, kx, params.conv.h * params.conv.w * channels, channels);
      var row = (1u + (ky * params.conv.k + kx) * params.conv.cIn) * params.conv.coVectors;
      for (var ci = 0u; ci < channels; ci++) {
        let x0 = select(vec4f(), vec4f(xVec4[taps.first.x + ci]), taps.inside.x);
        let x1 = select(vec4f(), vec4f(xVec4[taps.first.y + ci]), taps.inside.y);
        let x2 = select(vec4f(), vec4f(xVec4[taps.first.z + ci]), taps.inside.z);
        let x3 = select(vec4f(), vec4f(xVec4[taps.first.w + ci]), taps.inside.w);
        sums = plusProducts(sums, row, a, b, two, x0, x1, x2, x3);
        row += 4u * params.conv.coVectors;
      }
    }
  }
  return sums;
}

// Any cIn, NHWC or NCHW by the strides: one input channel at a time.
fn sumScalar(tile: Tile, a: u32, b: u32, two: bool) -> Sums {
  let paddedIn = (params.conv.cIn + 3u) / 4u * 4u;
  var s = biasOf(a, b);
  for (var ky = 0u; ky < params.conv.k; ky++) {
    let iy = sourceRow(tile, ky);
    if (iy < 0) { continue; }
    for (var kx = 0u; kx < params.conv.k; kx++) {
      let taps = tapsOf(tile, iy, kx, params.conv.imageStride, params.conv.pixelStride);
      var row = (1u + (ky * params.conv.k + kx) * paddedIn) * params.conv.coVectors;
      for (var ci = 0u; ci < params.conv.cIn; ci++) {
        let at = ci * params.conv.channelStride;
        let x0 = select(0.0, f32(x[taps.first.x + at]), taps.inside.x);
        let x1 = select(0.0, f32(x[taps.first.y + at]), taps.inside.y);
        let x2 = select(0.0, f32(x[taps.first.z + at]), taps.inside.z);
        let x3 = select(0.0, f32(x[taps.first.w + at]), taps.inside.w);
        let v = weights[row + a];
        s.a0 += v * x0; s.a1 += v * x1; s.a2 += v * x2; s.a3 += v * x3;
        if (two) {
          let u = weights[row + b];
          s.b0 += u * x0; s.b1 += u * x1; s.b2 += u * x2; s.b3 += u * x3;
        }
        row += params.conv.coVectors;
      }
    }
  }
  return s;
}
