// pixels: RGBA8 <-> planes. Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402 on values / 255 (full-range BT.601, as JPEG).
// luma (1, h, w, 1), or (2, h, w, 1) with alpha as the second image; chroma (1, h, w, 2). Back: chroma (1, h / s, w / s, 2) is enlarged by bicubic
// (resize, a = -0.5); clamped to 0..255, rounded half up.
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
  chromaH: u32, // rows of chroma, as the next three only read by toPixels
  chromaW: u32, // pixels of its rows
  fractionH: vec2u, // chromaH / h in lowest terms
  fractionW: vec2u, // chromaW / w in lowest terms
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rgba: array<u32>;             // (h, w)
@group(0) @binding(2) var<storage, read_write> lumaOut: array<Stored>;    // (1 or 2, h, w)
@group(0) @binding(3) var<storage, read_write> chromaOut: array<Stored2>; // (h, w): Cb, Cr

@group(0) @binding(1) var<storage, read> luma: array<Stored>;             // (1 or 2, h, w)
@group(0) @binding(2) var<storage, read> chroma: array<Stored2>;         // (chromaH, chromaW): Cb, Cr
@group(0) @binding(3) var<storage, read_write> rgbaOut: array<u32>;    // (cropH, cropW)

@compute @workgroup_size(WORKGROUP)
fn toPlanes(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.pixels) { return; }
  let bytes = (vec4u(rgba[i]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
  let v = vec4f(bytes) / 255.0;
  let luminance = 0.299 * v.r + 0.587 * v.g + 0.114 * v.b;
  lumaOut[i] = Stored(luminance);
  chromaOut[i] = Stored2(vec2f((v.b - luminance) / 1.772, (v.r - luminance) / 1.402));
  if (ALPHA) { lumaOut[params.plane + i] = Stored(v.a); }
}

@compute @workgroup_size(WORKGROUP)
fn toPixels(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = invocation(group, groups, local);
  if (i >= params.pixels) { return; }
  let oy = params.cropY + i / params.cropW;
  let ox = params.cropX + i % params.cropW;
  let at = oy * params.w + ox;
  let luminance = f32(luma[at]);
  let colour = enlarged(oy, ox);
  let r = luminance + 1.402 * colour.y;
  let b = luminance + 1.772 * colour.x;
  let g = (luminance - 0.299 * r - 0.114 * b) / 0.587;
  var a = 1.0;
  if (ALPHA) { a = f32(luma[params.plane + at]); }
  let bytes = vec4u(clamp(floor(vec4f(r, g, b, a) * 255.0 + 0.5), vec4f(), vec4f(255.0)));
  rgbaOut[i] = bytes.r | (bytes.g << 8u) | (bytes.b << 16u) | (bytes.a << 24u);
}

// Chroma at a pixel of the planes.
fn enlarged(oy: u32, ox: u32) -> vec2f {
  let vertical = tapsOf(oy, params.fractionH, -0.5);
  let horizontal = tapsOf(ox, params.fractionW, -0.5);
  var sum = vec2f();
  for (var ky = 0; ky < 4; ky++) {
    let iy = u32(clamp(vertical.first + ky, 0, i32(params.chromaH) - 1));
    var line = vec2f();
    for (var kx = 0; kx < 4; kx++) {
      let ix = u32(clamp(horizontal.first + kx, 0, i32(params.chromaW) - 1));
      line += horizontal.weights[kx] * vec2f(chroma[iy * params.chromaW + ix]);
    }
    sum += vertical.weights[ky] * line;
  }
  return sum;
}
