// What a plain matrix product gets: C (n, n) = A (n, n) B (n, n), f32. A workgroup of 16x16 computes 128x128 of C, an invocation 8x8 in
// registers; slices of 128x8 of A (turned) and 8x128 of B are in workgroup memory. n is a multiple of 128.
override N: u32 = 4096;
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

var<workgroup> sliceA: array<array<f32, 128>, 8>;
var<workgroup> sliceB: array<array<vec4f, 32>, 8>;

@compute @workgroup_size(256)
fn product(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = group.y * 128;
  let column = group.x * 32; // in vectors
  let tileY = (index >> 4) * 8;
  let tileX = (index & 15) * 2; // in vectors: this one and the next
  var sums: array<array<vec4f, 2>, 8>;
  for (var k = 0u; k < N; k += 8) {
    let v = a[((row + (index >> 1)) * N + k) / 4 + (index & 1)];
    for (var i = 0u; i < 4; i++) {
      sliceA[(index & 1) * 4 + i][index >> 1] = v[i];
    }
    sliceB[index >> 5][index & 31] = b[(k + (index >> 5)) * (N / 4) + column + (index & 31)];
    workgroupBarrier();
    for (var kk = 0u; kk < 8; kk++) {
      let b0 = sliceB[kk][tileX];
      let b1 = sliceB[kk][tileX + 1];
      for (var i = 0u; i < 8; i++) {
        let s = sliceA[kk][tileY + i];
        sums[i][0] = fma(vec4f(s), b0, sums[i][0]);
        sums[i][1] = fma(vec4f(s), b1, sums[i][1]);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 8; i++) {
    for (var j = 0u; j < 2; j++) {
      c[(row + tileY + i) * (N / 4) + column + tileX + j] = sums[i][j];
    }
  }
}
