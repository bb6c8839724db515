// What normalize-kernels and carafe-pack share: how a tap's logit becomes its kernel value. All 4 sub-pixels of a vector at a time.
//   softmax exp(v - largest) / sum, sigmoid 1 / (1 + exp(-v)), sigmoid-normalized sigmoid(v) / sum; largest and sum are over the taps.

const SOFTMAX = 0u;
const SIGMOID = 1u;
const SIGMOID_NORMALIZED = 2u;

override NORMALIZER: u32 = SOFTMAX;

// What is divided by its sum over the taps; softmax and sigmoid-normalized are scaled so that the largest is at least 1/2 and no sum underflows.
fn weight(v: vec4f, largest: vec4f) -> vec4f {
  switch (NORMALIZER) {
    // v by itself too: of a single tap a compiler knows that v - v is 0.
    case SOFTMAX: { return orNaN(v, orNaN(v - largest, exp(v - largest))); }
    case SIGMOID: { return sigmoid(v, vec4f()); }
    default: { return sigmoid(v, min(largest, vec4f())); }
  }
}

fn normalized(weight: vec4f, sum: vec4f) -> vec4f {
  if (NORMALIZER == SIGMOID) { return weight; }
  return weight / sum;
}

// sigmoid(v) * exp(-offset), offset <= 0 and not below a negative v: exp only of what is not positive.
fn sigmoid(v: vec4f, offset: vec4f) -> vec4f {
  let e = exp(-abs(v));
  return orNaN(v, select(exp(min(v - offset, vec4f())), vec4f(1.0), v >= vec4f()) / (1.0 + e));
}
