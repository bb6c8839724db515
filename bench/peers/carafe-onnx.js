// The operator and the upscaling networks as ONNX graphs, from their formulas: what a web developer without this package would run.
// Of CARAFE there are two graphs that runtimes do well on (nearest + unfold + einsum, as exporters write it, takes ten times as long):
//   smart   out = sum over taps of slice(x) * kernel, at the input's resolution with the sub-pixels as channels; DepthToSpace at the end
//   matmul  the windows of every pixel as a matrix, [h w, s^2, kUp^2] x [h w, kUp^2, c]
import { readFileSync } from 'node:fs';
import { values } from '../data.js';
import { OnnxGraph } from './onnx.js';

/** @typedef {import('../shapes.js').OperatorShape} OperatorShape */

/** groups = 1. @param {OperatorShape} shape @param {ReturnType<typeof import('../data.js').operatorData>['weights']} weights */
export function operatorGraphs(shape, weights) {
  const { c, h, w, scale: s } = shape;
  const graph = (carafe) => {
    const g = new OnnxGraph();
    const y = carafe(g, g.input('x', [1, c, h, w]), shape, weights);
    return g.finish([y, [1, c, h * s, w * s]]);
  };
  return { smart: graph(smart), matmul: graph(matmul) };
}

const logits = (g, x, { kEnc }, { compress, encode }) => conv(g, conv(g, x, compress, 1), encode, kEnc);

export function smart(g, x, shape, weights) {
  const { c, h, w, scale: s, kUp } = shape;
  const taps = kUp * kUp;
  const rows = g.node('Reshape', [logits(g, x, shape, weights), g.ints(1, taps, s * s, h, w)]);
  const kernels = g.node('Softmax', [rows], { axis: 1 });
  const r = (kUp - 1) / 2;
  const padded = g.node('Reshape', [
    g.node('Pad', [x, g.ints(0, 0, r, r, 0, 0, r, r)]),
    g.ints(1, c, 1, h + 2 * r, w + 2 * r),
  ]);
  const products = Array.from({ length: taps }, (_, tap) =>
    g.node('Mul', [window(g, padded, tap, shape, 3), slice(g, kernels, [1], [tap], [tap + 1])]),
  );
  const sum = products.reduce((a, b) => g.node('Add', [a, b]));
  return g.node('DepthToSpace', [g.node('Reshape', [sum, g.ints(1, c * s * s, h, w)])], {
    blocksize: s,
    mode: 'CRD',
  });
}

export function matmul(g, x, shape, weights) {
  const { c, h, w, scale: s, kUp } = shape;
  const taps = kUp * kUp;
  const encoded = g.node('Reshape', [logits(g, x, shape, weights), g.ints(taps, s * s, h * w)]);
  const kernels = g.node('Softmax', [g.node('Transpose', [encoded], { perm: [2, 1, 0] })], { axis: 2 });
  const r = (kUp - 1) / 2;
  const padded = g.node('Pad', [g.node('Transpose', [x], { perm: [0, 2, 3, 1] }), g.ints(0, r, r, 0, 0, r, r, 0)]);
  const windows = g.node(
    'Concat',
    Array.from({ length: taps }, (_, tap) => window(g, padded, tap, shape, 1)),
    { axis: 3 },
  );
  const product = g.node('MatMul', [kernels, g.node('Reshape', [windows, g.ints(h * w, taps, c)])]);
  const y = g.node('Transpose', [g.node('Reshape', [product, g.ints(h, w, s, s, c)])], { perm: [4, 0, 2, 1, 3] });
  return g.node('Reshape', [y, g.ints(1, c, h * s, w * s)]);
}

/**
 * The trained network, luma only: y [1, 1, h, w] in 0..1 -> [1, 1, h*s, w*s]; zeros outside, so right from the network's radius off the border on.
 * Bicubic is a 5x5 convolution with a channel for each sub-pixel on the edge-padded image (ORT's Resize is slower).
 * @param {URL | string} file .safetensors of architecture carafe-luma
 */
export function lumaGraphs(file, h, w) {
  return Object.fromEntries(
    /** @type {const} */ (['sum', 'reduce', 'exp']).map((variant) => [variant, luma(file, h, w, variant)]),
  );
}

/**
 * @param {'sum' | 'reduce' | 'exp'} variant sum: tap after tap; reduce: all taps and groups as one product and one sum; exp: as sum, with
 *   exp(logit) for weights and one division at the end, which spares Softmax its transposes (and would overflow on large logits)
 */
function luma(file, h, w, variant) {
  const { tensor, metadata } = readModel(file);
  const [s, kUp, groups, body] = ['scale', 'kUp', 'groups', 'body'].map((name) => Number(metadata[name]));
  const g = new OnnxGraph();
  const y = g.input('x', [1, 1, h, w]);
  const layer = (x, name, k) => conv(g, x, { weights: tensor(`${name}.weights`), bias: tensor(`${name}.bias`) }, k);
  const act = (x) => g.node('LeakyRelu', [x], { alpha: { float: Number(metadata.slope) } });
  let f = act(layer(y, 'head', 3));
  for (let i = 0; i < body; i++) f = g.node('Add', [act(layer(f, `body.${i}`, 3)), f]);
  const taps = kUp * kUp;
  const compressed = Number(metadata.cMid) > 0 ? conv(g, f, { weights: tensor('compress.weights') }, 1) : f;
  const logit = g.node('Reshape', [layer(compressed, 'encode', 1), g.ints(groups, taps, s * s, h, w)]);
  const kernels = variant === 'exp' ? g.node('Exp', [logit]) : g.node('Softmax', [logit], { axis: 1 });
  const add = (terms) => terms.reduce((a, b) => g.node('Add', [a, b]));
  const r = (kUp - 1) / 2;
  const padded = g.node('Reshape', [
    g.node('Pad', [layer(f, 'maps', 3), g.ints(0, 0, r, r, 0, 0, r, r)]),
    g.ints(groups, 1, h + 2 * r, w + 2 * r),
  ]);
  const windows = Array.from({ length: taps }, (_, tap) => window(g, padded, tap, { h, w, kUp }, 2));
  let detail;
  if (variant === 'reduce') {
    const all = g.node('Reshape', [g.node('Concat', windows, { axis: 1 }), g.ints(groups, taps, 1, h, w)]);
    detail = g.node('ReduceSum', [g.node('Mul', [all, kernels]), g.ints(0, 1)], { keepdims: 0 });
  } else {
    const weights = windows.map((_, tap) => g.node('Squeeze', [slice(g, kernels, [1], [tap], [tap + 1]), g.ints(1)]));
    const mixed = add(windows.map((map, tap) => g.node('Mul', [map, weights[tap]])));
    detail = g.node('ReduceSum', [variant === 'exp' ? g.node('Div', [mixed, add(weights)]) : mixed, g.ints(0)], {
      keepdims: 0,
    });
  }
  const base = conv(g, g.node('Pad', [y, g.ints(0, 0, 2, 2, 0, 0, 2, 2)], { mode: 'edge' }), bicubicWeights(s), 1);
  const out = g.node('Add', [base, g.node('Reshape', [detail, g.ints(1, s * s, h, w)])]);
  return g.finish([g.node('DepthToSpace', [out], { blocksize: s, mode: 'CRD' }), [1, 1, h * s, w * s]]);
}

/** Of scale 2: Keys' cubic with a = -0.5 at half-pixel centres reaches two pixels to each side. */
export function bicubicWeights(s) {
  if (s !== 2) throw new Error(`Expected scale 2 for the bicubic weights, got ${s}`);
  const a = -0.5;
  const cubic = (t) =>
    t < 1 ? (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1 : t < 2 ? a * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
  const axis = [-0.25, 0.25].map((centre) => [-2, -1, 0, 1, 2].map((tap) => cubic(Math.abs(tap - centre))));
  const data = Float32Array.from(
    { length: s * s * 25 },
    (_, i) => axis[Math.floor(i / 50)][Math.floor((i % 25) / 5)] * axis[Math.floor(i / 25) % 2][i % 5],
  );
  return { weights: { data, shape: [s * s, 1, 5, 5] } };
}

/**
 * A plain network of ECBSR-M4C16's shape (RGB, 3x3 convolutions 3 -> 16, four 16 -> 16 with PReLU, 16 -> 12, the input added, pixel
 * shuffle; 11.4k multiply-accumulates a pixel). Its weights are random: only its time is of interest here.
 */
export function plainGraph(h, w) {
  const [channels, body, s] = [16, 4, 2];
  const g = new OnnxGraph();
  const x = g.input('x', [1, 3, h, w]);
  const layer = (input, cIn, cOut, seed) =>
    conv(
      g,
      input,
      {
        weights: { data: values(cOut * cIn * 9, seed, 1 / Math.sqrt(cIn * 9)), shape: [cOut, cIn, 3, 3] },
        bias: { data: values(cOut, seed + 1, 0.1), shape: [cOut] },
      },
      3,
    );
  const act = (input, seed) => g.node('PRelu', [input, g.constant(values(channels, seed, 0.2), [channels, 1, 1])]);
  let f = act(layer(x, 3, channels, 1), 50);
  for (let i = 0; i < body; i++) f = act(layer(f, channels, channels, 3 + 2 * i), 51 + i);
  const nearest = g.node(
    'Concat',
    [0, 1, 2].flatMap((c) => Array(s * s).fill(slice(g, x, [1], [c], [c + 1]))),
    { axis: 1 },
  );
  const y = g.node('DepthToSpace', [g.node('Add', [layer(f, channels, 3 * s * s, 30), nearest])], {
    blocksize: s,
    mode: 'CRD',
  });
  return g.finish([y, [1, 3, h * s, w * s]]);
}

/** @param {OnnxGraph} g @param {string} x @param {{ weights: any, bias?: any }} parameters @param {number} k */
export function conv(g, x, { weights, bias }, k) {
  const r = (k - 1) / 2;
  return g.node(
    'Conv',
    [x, g.constant(weights.data, weights.shape), ...(bias ? [g.constant(bias.data, bias.shape)] : [])],
    { pads: [r, r, r, r] },
  );
}

/** What tap `tap` of the window sees, of padded [..., h + 2r, w + 2r, ...] whose rows are axis `axis`. */
function window(g, padded, tap, { h, w, kUp }, axis) {
  const [ky, kx] = [Math.floor(tap / kUp), tap % kUp];
  return slice(g, padded, [axis, axis + 1], [ky, kx], [ky + h, kx + w]);
}

export function slice(g, x, axes, starts, ends) {
  return g.node('Slice', [x, g.ints(...starts), g.ints(...ends), g.ints(...axes)]);
}

/** f32 tensors out of an F16 or F32 .safetensors file. */
export function readModel(file) {
  const all = readFileSync(file);
  const length = Number(all.readBigUInt64LE(0));
  const header = JSON.parse(all.toString('utf8', 8, 8 + length));
  const tensor = (name) => {
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = header[name];
    const raw = new Uint8Array(all.subarray(8 + length + begin, 8 + length + end)).buffer;
    return { data: dtype === 'F32' ? new Float32Array(raw) : Float32Array.from(new Uint16Array(raw), half), shape };
  };
  return {
    tensor,
    metadata: header.__metadata__,
    names: Object.keys(header).filter((name) => name !== '__metadata__'),
  };
}

function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
