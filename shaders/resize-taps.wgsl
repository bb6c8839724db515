// What resize and pixels share: which source positions an output position of a resized axis mixes, and with which weights. As src/core/resize-taps.ts.

override BICUBIC: bool = true; // else bilinear

// The taps of one output position along one axis: weights.x belongs to `first`, and so on; bilinear uses two.
struct Taps { first: i32, weights: vec4f }

// u = ((2 o + 1) p - q) / (2 q) for in/out = p/q, split into floor and fraction in integers: beyond a few hundred pixels f32 has
// too few bits for the fraction. The floor is estimated in f32 and corrected; products may wrap, their small difference is right.
fn tapsOf(o: u32, fraction: vec2u, a: f32) -> Taps {
  let p = fraction.x;
  let q = fraction.y;
  let d = i32(2u * q);
  var whole = i32(floor((f32(o) + 0.5) * (f32(p) / f32(q)) - 0.5));
  var rest = i32((2u * o + 1u) * p - q) - whole * d;
  while (rest < 0) { rest += d; whole -= 1; }
  while (rest >= d) { rest -= d; whole += 1; }
  let t = f32(rest) / f32(d);
  let m = f32(d - rest) / f32(d); // 1 - t
  if (BICUBIC) { return Taps(whole - 1, vec4f(a * t * m * m, inner(t, m, a), inner(m, t, a), a * m * t * t)); }
  return Taps(whole, vec4f(m, t, 0.0, 0.0));
}

// The cubic kernel at t, m = 1 - t, both within 0..1: (a+2) t^3 - (a+3) t^2 + 1 with its root at 1 factored out, and its outer part
// at 1 + t is a t (1-t)^2: the expanded forms cancel where the weight is small.
fn inner(t: f32, m: f32, a: f32) -> f32 {
  return m * (1.0 + t - (a + 2.0) * t * t);
}
