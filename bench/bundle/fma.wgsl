// What arithmetic gives: multiply-adds in registers alone, 16 sums of vectors that do not wait for one another. `T` is vec4f or vec4h,
// from the text before this one. ROUNDS x 16 x 4 x 2 operations an invocation.
override ROUNDS: u32 = 512;
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn multiply(@builtin(global_invocation_id) id: vec3u) {
  let a = T(y[id.x & 1023]); // unknown to the compiler, and 0 where nothing was written
  let b = T(y[(id.x + 1) & 1023]);
  var s0 = a; var s1 = b; var s2 = a + b; var s3 = a - b;
  var s4 = a; var s5 = b; var s6 = a + b; var s7 = a - b;
  var s8 = a; var s9 = b; var s10 = a + b; var s11 = a - b;
  var s12 = a; var s13 = b; var s14 = a + b; var s15 = a - b;
  for (var i = 0u; i < ROUNDS; i++) {
    s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
    s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
    s8 = fma(s8, a, b); s9 = fma(s9, a, b); s10 = fma(s10, a, b); s11 = fma(s11, a, b);
    s12 = fma(s12, a, b); s13 = fma(s13, a, b); s14 = fma(s14, a, b); s15 = fma(s15, a, b);
  }
  let sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11 + s12 + s13 + s14 + s15;
  if (any(sum != T(0))) {
    y[id.x & 1023] = vec4f(sum);
  }
}
