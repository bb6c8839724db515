// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255
// (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2).
// Back, of luma and base (1 or 2, h*s, w*s, 1); gains (1 or 2, h, w, 2), slopes, low and high (h, w) are those of the
// source pixel:
//   y = gain_a * clamp(luma, 0, 1) + gain_b;  C = bicubic(chroma, a = -0.5) + slope_C * (y - base);  alpha like y
//   RGBA = clamp(floor(255 * value + 0.5), low, high)
// Reference: src/backends/reference/pixels.ts. A pixel is one u32, red in its lowest byte.
// Schedule: one invocation = one pixel, in toPixels one of the crop.
// requires: prelude, resize-taps

override ALPHA: bool = false; // luma has alpha as its second image

struct Params {
  pixels: u32, // pixels read or written: the invocations
  plane: u32,  // h * w, values in one image of luma
  w: u32,      // pixels in a row of the planes
  cropX: u32,  // left column of the crop in the planes, pixels
  cropY: u32,  // top row of the crop, pixels
  cropW: u32,  // pixels in a row of the crop
  sourceH: u32, // rows of the source, as the next four only read by toPixels
  sourceW: u32, // pixels of its rows
  fractionH: vec2u, // sourceH / h in lowest terms
  fractionW: vec2u, // sourceW / w in lowest terms
  scale: u32,   // h / sourceH
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rgba: array<u32>;             // (h, w)
@group(0) @binding(2) var<storage, read_write> lumaOut: array<f32>;    // (1 or 2, h, w)
@group(0) @binding(3) var<storage, read_write> chromaOut: array<vec2f>; // (h, w): Cb, Cr

@group(0) @binding(1) var<storage, read> luma: array<f32>;             // (1 or 2, h, w)
@group(0) @binding(2) var<storage, read> base: array<f32>;             // (1 or 2, h, w)
@group(0) @binding(3) var<storage, read> gains: array<vec2f>;           // (1 or 2, sourceH, sourceW)
@group(0) @binding(4) var<storage, read> chroma: array<vec2f>;          // (sourceH, sourceW): Cb, Cr
@group(0) @binding(5) var<storage, read> slopes: array<vec2f>;          // (sourceH, sourceW): of Cb, Cr
@group(0) @binding(6) var<storage, read> low: array<u32>;                 // (sourceH, sourceW)
@group(0) @binding(7) var<storage, read> high: array<u32>;                // (sourceH, sourceW)
@group(0) @binding(8) var<storage, read_write> rgbaOut: array<u32>;       // (cropH, cropW)

@compute @workgroup_size(WORKGROUP)
fn toPlanes(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.pixels) { return; }
  let v = vec4f(unpacked(rgba[i])) / 255.0;
  let luminance = 0.299 * v.r + 0.587 * v.g + 0.114 * v.b;
  lumaOut[i] = luminance;
  chromaOut[i] = vec2f((v.b - luminance) / 1.772, (v.r - luminance) / 1.402);
  if (ALPHA) { lumaOut[params.plane + i] = v.a; }
}

@compute @workgroup_size(WORKGROUP)
fn toPixels(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.pixels) { return; }
  let oy = params.cropY + i / params.cropW;
  let ox = params.cropX + i % params.cropW;
  let at = oy * params.w + ox;
  let source = oy / params.scale * params.sourceW + ox / params.scale;
  let y = adjusted(at, source);
  let colour = enlarged(oy, ox) + slopes[source] * (y - base[at]);
  let r = y + 1.402 * colour.y;
  let b = y + 1.772 * colour.x;
  let g = (y - 0.299 * r - 0.114 * b) / 0.587;
  var a = 1.0;
  if (ALPHA) { a = adjusted(params.plane + at, params.sourceH * params.sourceW + source); }
  let rounded = vec4u(clamp(floor(vec4f(r, g, b, a) * 255.0 + 0.5), vec4f(), vec4f(255.0)));
  let bytes = clamp(rounded, unpacked(low[source]), unpacked(high[source]));
  rgbaOut[i] = bytes.r | (bytes.g << 8u) | (bytes.b << 16u) | (bytes.a << 24u);
}

fn unpacked(pixel: u32) -> vec4u {
  return (vec4u(pixel) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
}

// Luma or alpha with the source's local means.
fn adjusted(at: u32, source: u32) -> f32 {
  let gain = gains[source];
  return gain.x * clamp(luma[at], 0.0, 1.0) + gain.y;
}

// Chroma at a pixel of the planes.
fn enlarged(oy: u32, ox: u32) -> vec2f {
  let vertical = tapsOf(oy, params.fractionH, -0.5);
  let horizontal = tapsOf(ox, params.fractionW, -0.5);
  var sum = vec2f();
  for (var ky = 0; ky < 4; ky++) {
    let iy = u32(clamp(vertical.first + ky, 0, i32(params.sourceH) - 1));
    var line = vec2f();
    for (var kx = 0; kx < 4; kx++) {
      let ix = u32(clamp(horizontal.first + kx, 0, i32(params.sourceW) - 1));
      line += horizontal.weights[kx] * chroma[iy * params.sourceW + ix];
    }
    sum += vertical.weights[ky] * line;
  }
  return sum;
}
