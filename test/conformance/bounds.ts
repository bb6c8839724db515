// How far a backend may be from the reference: computed, never chosen. `boundedOps` is an implementation of Ops whose
// tensors carry, beside the reference's value, a bound on |got - value| for every element. Running a program on it
// gives the tolerance of the whole program, for one op as for a network: each op passes on the error of its inputs and
// adds its own.
//
// An op's own error is gamma_K * sum |a b|, gamma_K = K u / (1 - K u), where K counts the roundings on the longest path
// from an input to the result: valid for any order of summation, with or without FMA, hence for SIMD and GPU alike
// (Higham, Accuracy and Stability of Numerical Algorithms, 2002, lemma 3.1 and section 3.1). On top of it come exp and
// division, from `ARITHMETIC`, and the reference's and the backend's final rounding to f32. The reason of each entry is
// beside it.
import {
  type Backend,
  type BackendName,
  type ConvWeights,
  type DevicePixels,
  type DeviceTensor,
  type Ops,
  PLAIN,
  type Rectangle,
} from '../../src/backends/backend.js';
import { arithmetic as calculate, CALCULATE } from '../../src/backends/reference/arithmetic.js';
import { averagePool } from '../../src/backends/reference/average-pool.js';
import { colourLines, type Moments, putBounds, windowAt } from '../../src/backends/reference/colour-lines.js';
import { concat } from '../../src/backends/reference/concat.js';
import { conv2d } from '../../src/backends/reference/conv2d.js';
import { gridSample, positionAt } from '../../src/backends/reference/grid-sample.js';
import { nchwToNhwc, nhwcToNchw } from '../../src/backends/reference/layout.js';
import { blur, cellMeans, gains, meanGains } from '../../src/backends/reference/mean-gains.js';
import { normalizeKernels } from '../../src/backends/reference/normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from '../../src/backends/reference/pixel-shuffle.js';
import { pixelsToPlanes } from '../../src/backends/reference/pixels.js';
import { sumOfKernels } from '../../src/backends/reference/reassemble-sum.js';
import { reassemble } from '../../src/backends/reference/reassemble.js';
import { resize } from '../../src/backends/reference/resize.js';
import { slice } from '../../src/backends/reference/slice.js';
import { type AxisTaps, axisTaps } from '../../src/core/resize-taps.js';
import { type Activation, type Normalizer, poolWindow, type ResizeMode, type Window } from '../../src/core/shapes.js';
import type { RawImage, Tensor } from '../../src/core/tensor.js';
import { winogradMagnitudes } from './winograd-bound.js';

export interface Arithmetic {
  /** Largest relative error of one +, -, * or fma. */
  readonly u: number;
  /** Largest relative error of a division. */
  readonly divide: number;
  /** Largest relative error of exp(x). */
  exp(x: number): number;
  /**
   * Roundings in an interpolation weight of resize: 1 if it comes from core/resize-taps.ts in f64, else of its
   * computation in f32.
   */
  readonly weightRoundings: number;
  /** Whether 3x3 convolutions of dilation 1 may be computed by Winograd's F(4x4, 3x3), unless they are `exact`. */
  readonly winograd?: boolean;
  /** Whether reassembleSum's softmax runs along with the taps, its sums scaled down when a larger logit comes. */
  readonly runningSoftmax?: boolean;
  /** How far a term of reassembleSum's softmax may be from exp(x), x the logit less the largest, beyond `exp`. */
  sumTerm?(x: number): number;
  /** Whether colourLines' moments are of differences to the pixel in the middle. */
  readonly centred?: boolean;
  /**
   * Largest relative error of storing a tensor's value, beyond f32's; what is below the smallest normal f16 may be
   * flushed to zero.
   */
  readonly store?: number;
  /** Relative error that convolution weights and biases come with, such as their rounding to f32; 0 by default. */
  readonly parameters?: number;
}

const F32 = 2 ** -24; // half an ulp: rounding to the nearest f32
const ULP = 2 ** -23; // an ulp is at most this, relative to the value
const SMALLEST = 2 ** -126; // the smallest normal f32: denormals may be flushed to zero
const SMALLEST_HALF = 2 ** -14; // the same of f16

export const ARITHMETIC: Record<BackendName, Arithmetic> = {
  // f64 sums, Math.exp within an ulp of f64: only the stores round to f32, and every op below adds those itself.
  reference: { u: 2 ** -53, divide: 2 ** -53, exp: () => 2 ** -52, weightRoundings: 1 },
  // IEEE 754 round to nearest (WebAssembly core specification, 4.3.3); exp is assembly/simd.ts: 1.6 ulp, and x / ln 2
  // rounded.
  wasm: {
    u: F32,
    divide: F32,
    exp: (x) => (2 + Math.abs(x)) * ULP,
    weightRoundings: 1,
    winograd: true,
    sumTerm,
  },
  // WGSL, 15.7.4 floating point accuracy: + - * correctly rounded in a direction the specification leaves open, so a
  // whole ulp; division 2.5 ulp; exp 3 + 2|x| ulp. In shaders/resize-taps.wgsl each distance is a quotient of exact
  // integers (2.5 ulp) and enters a weight up to three times, which takes up to 7 more roundings.
  webgpu: {
    u: ULP,
    divide: 2.5 * ULP,
    exp: (x) => (3 + 2 * Math.abs(x)) * ULP,
    weightRoundings: 16,
    runningSoftmax: true,
    centred: true,
  },
};

/**
 * WebGPU with tensors stored as f16. Conversions are correctly rounded in a direction the specification leaves open: a
 * whole ulp of 2^-10.
 */
export const HALF: Arithmetic = { ...ARITHMETIC.webgpu, store: 2 ** -10 };

/**
 * assembly/reassemble-sum.ts takes a polynomial for exp, off by up to 5.4e-5. Its argument rounds by 4 u, which the
 * eighth power makes 32 u; so do the cubic's 3 u, 24 u; three squares are 7 u.
 */
function sumTerm(x: number): number {
  const SHIFT = 1.24759003;
  const cubic = (v: number): number => v ** 3 + 2.94255293 * v + 2.00285946;
  const term = (cubic(Math.max(x / 8 + SHIFT, -0.60528948)) / cubic(SHIFT)) ** 8;
  return Math.abs(term - Math.exp(x)) + 64 * F32;
}

export interface Bounded extends DeviceTensor {
  readonly value: Tensor;
  readonly error: Tensor;
}

/** Every channel of every pixel may be anything from `low` to `high`: one value, two at a rounding tie. */
export interface BoundedPixels extends DevicePixels {
  readonly low: Uint8ClampedArray;
  readonly high: Uint8ClampedArray;
}

/**
 * Runs `program` on the reference, with bounds: element i of a backend's result must be within error[i] of value[i].
 */
export function bound(program: (ops: Ops) => DeviceTensor, arithmetic: Arithmetic): Bounded {
  return program(boundedOps(arithmetic)) as Bounded;
}

export function boundPixels(program: (ops: Ops) => DevicePixels, arithmetic: Arithmetic): BoundedPixels {
  return program(boundedOps(arithmetic)) as BoundedPixels; // no program's result is the image it was given
}

/** The bounded side's convolution parameters are the parameters. */
export const boundConv: Backend['conv'] = (weights) => weights;

export function boundedOps(arithmetic: Arithmetic): Ops<Bounded, RawImage | BoundedPixels, ConvWeights> {
  const { u, divide, exp, winograd = false, parameters = 0, store = 0 } = arithmetic;
  const gamma = (roundings: number): number => (roundings * u) / (1 - roundings * u);
  /** A permutation makes no error and moves the old one along. */
  const permuted =
    (op: (x: Tensor) => Tensor) =>
    (x: Bounded): Bounded =>
      bounded(op(x.value), op(x.error).data);

  /** What comes out of memory, where a value was stored. */
  const stored = (x: Bounded): Bounded => {
    const { value, error } = x;
    return store === 0
      ? x
      : bounded(
          value,
          error.data.map((e, i) => e + store * (Math.abs(value.data[i]) + e) + SMALLEST_HALF),
        );
  };

  /** The ops up to the store of their result. */
  const ops: ReturnType<typeof boundedOps> = {
    input: (data, shape) => ({ shape, value: { data, shape }, error: { data: new Float32Array(data.length), shape } }),
    inputPixels: (image) => image,
    free: () => {},
    nchwToNhwc: permuted(nchwToNhwc),
    nhwcToNchw: permuted(nhwcToNchw),
    pixelShuffle: (x, scale) => permuted((t) => pixelShuffle(t, scale))(x),
    pixelUnshuffle: (x, scale) => permuted((t) => pixelUnshuffle(t, scale))(x),

    conv2d(x, weights, { dilation, activation, slope, residual }) {
      const value = conv2d(x.value, weights, { dilation, activation, slope, residual: residual?.value });
      const plain = { ...PLAIN, dilation };
      const sums = conv2d(x.value, weights, plain); // before the activation
      const magnitudes: ConvWeights = {
        ...weights,
        weights: weights.weights.map(Math.abs),
        bias: weights.bias?.map(Math.abs),
      };
      const passed = conv2d(x.error, { ...magnitudes, bias: undefined }, plain).data;
      const total = conv2d(largest(x), magnitudes, plain).data;
      // K: k^2 cIn products and their sum, and the bias.
      const own = gamma(weights.cIn * weights.k ** 2 + 1) + parameters;
      // K of Winograd: the rounded transformed weight, cIn products and their sum, 4 roundings in each of 2 passes
      // before and after, the bias.
      const blocks =
        winograd && weights.k === 3 && dilation === 1 && !weights.exact
          ? winogradMagnitudes(largest(x), weights)
          : undefined;
      const ownOfBlocks = gamma(1 + weights.cIn + 16 + 1); // of blocks that are finite: others are plain sums
      return bounded(
        value,
        value.data.map((y, i) => {
          const before =
            passed[i] +
            own * total[i] +
            (blocks && !Number.isNaN(blocks[i]) ? ownOfBlocks * blocks[i] : 0) +
            F32 * Math.abs(sums.data[i]);
          let error = activationError(sums.data[i], before, activation, slope);
          if (residual) error += residual.error.data[i] + u * (Math.abs(y) + error);
          return error + F32 * Math.abs(y);
        }),
      );
    },

    normalizeKernels(rows, window, normalizer) {
      const value = normalizeKernels(rows.value, window, normalizer);
      return bounded(value, normalizerErrors(rows, value.data, window, normalizer));
    },

    reassemble(features, rows, window, padding, layout) {
      const sum = (x: Tensor, kernels: Tensor): Tensor => reassemble(x, kernels, window, padding, 'NHWC');
      const value = sum(features.value, rows.value);
      const passed = sum(features.error, largest(rows)).data;
      const passedRows = sum(absolute(features.value), rows.error).data;
      const total = sum(largest(features), largest(rows)).data;
      const own = gamma(window.kUp ** 2); // K: kUp^2 products and their sum
      const result = bounded(
        value,
        value.data.map((y, i) => passed[i] + passedRows[i] + own * total[i] + F32 * Math.abs(y)),
      );
      return layout === 'NHWC' ? result : ops.nhwcToNchw(result);
    },

    carafePack(x, module, layout) {
      // Fusing the ops saves stores, and rounds no more: the bound of the ops one after the other holds.
      const features = layout === 'NCHW' ? ops.nchwToNhwc(x) : x;
      const compressed = module.compress
        ? stored(
            ops.conv2d(features, module.compress, { ...PLAIN, activation: module.activation, slope: module.slope }),
          )
        : features;
      const rows = ops.conv2d(compressed, module.encode, { ...PLAIN, dilation: module.dilation });
      return ops.reassemble(
        features,
        stored(ops.normalizeKernels(rows, module, module.normalizer)),
        module,
        module.padding,
        layout,
      );
    },

    reassembleSum(maps, x, encode, base, window) {
      // Dividing the sums once instead of every kernel makes no rounding more.
      const exact = ops.normalizeKernels(ops.conv2d(x, encode, PLAIN), window, 'softmax');
      const rows = arithmetic.sumTerm ? withTermErrors(exact, window, arithmetic.sumTerm) : exact;
      const value = sumOfKernels(maps.value, rows.value, base.value, window);
      const passed = sumOfKernels(maps.error, largest(rows), base.error, window).data;
      const none: Tensor = { data: new Float32Array(base.value.data.length), shape: base.shape };
      const passedRows = sumOfKernels(absolute(maps.value), rows.error, none, window).data;
      const total = sumOfKernels(largest(maps), largest(rows), largest(base), window).data;
      // K: groups * kUp^2 products and their sum, and the base. The reference also stores each group's sum as f32.
      const own = gamma(window.groups * window.kUp ** 2 + 1) + F32;
      // Scaling down, once for every two taps, multiplies numerator and denominator by an exp and rounds. The parts of
      // the arguments add up to what one exp would have had, so only exp's constant part comes on top.
      const scaled = 2 * Math.ceil(window.kUp ** 2 / 2) * (exp(0) + 2 * u);
      const running = arithmetic.runningSoftmax
        ? sumOfKernels(largest(maps), largest(rows), none, window).data.map((sum) => scaled * sum)
        : none.data;
      return bounded(
        value,
        value.data.map((y, i) => passed[i] + passedRows[i] + own * total[i] + running[i] + F32 * Math.abs(y)),
      );
    },

    resize(x, height, width, mode, cubicA) {
      const value = resize(x.value, height, width, mode, cubicA);
      const passed = resizeMagnitudes(x.error, height, width, mode, cubicA, false);
      const total = resizeMagnitudes(largest(x), height, width, mode, cubicA, arithmetic.weightRoundings > 1);
      // K: on each axis the weight, then `taps` products and their sum. A weight rounded from f64 is off by F32 of
      // itself; one computed in f32 by a part of the magnitudes of its terms, which resizeMagnitudes takes for the
      // weight.
      const taps = mode === 'bilinear' ? 2 : 4;
      const own = gamma(2 * (taps + arithmetic.weightRoundings)) + 2 * F32;
      return bounded(
        value,
        value.data.map((y, i) => passed[i] + own * total[i] + F32 * Math.abs(y)),
      );
    },

    pixelsToPlanes(input, alpha) {
      const pixels = input as RawImage;
      const { luma, chroma } = pixelsToPlanes(pixels, alpha);
      const size = pixels.width * pixels.height;
      // K of luma: byte / 255 (as a product with a rounded constant: 2), a rounded coefficient, a product and two sums;
      // of alpha the first 2.
      const lumaError = luma.data.map((y, i) => gamma(i < size ? 6 : 2) * y + divide * y + F32 * y);
      // B - Y: both errors, one difference, and 1 / 1.772 as a product with a rounded constant or a division.
      const chromaError = chroma.data.map((v, i) => {
        const channel = pixels.data[4 * (i >> 1) + (i & 1 ? 0 : 2)] / 255;
        const factor = i & 1 ? 1 / 1.402 : 1 / 1.772;
        const difference =
          gamma(2) * channel + divide * channel + lumaError[i >> 1] + u * (channel + luma.data[i >> 1]);
        return factor * difference + (gamma(2) + divide + F32) * Math.abs(v);
      });
      return { luma: bounded(luma, lumaError), chroma: bounded(chroma, chromaError) };
    },

    meanGains(big, small) {
      const cells = (x: Tensor): Tensor => asTensor(cellMeans(x, small.shape));
      const blurred = (x: Tensor): Tensor => asTensor(blur(x));
      const scale = big.shape[1] / small.shape[1];
      const inside = cells(big.value);
      // K: the sum of s^2 values, its product with a rounded 1 / s^2, the store. Clamping passes errors on, and clamps
      // them to 1.
      const wrong = cells(big.error).data.map((e, i) => e + gamma(scale ** 2 + 3) * inside.data[i]);
      const means = stored(bounded(inside, wrong));
      // K: on each axis the sum of five products, by exact weights.
      const mixed = ({ value, error }: Bounded): Bounded => {
        const total = blurred(absolute(value));
        return bounded(
          blurred(value),
          blurred(error).data.map((e, i) => e + (gamma(12) + F32) * total.data[i]),
        );
      };
      const [mean, target] = [mixed(means), mixed(small)];
      const value = meanGains(big.value, small.value);
      const error = new Float32Array(value.data.length);
      for (let i = 0; i < mean.value.data.length; i++) {
        const corners = [-1, 1].flatMap((m) =>
          [-1, 1].map((t) =>
            gains(mean.value.data[i] + m * mean.error.data[i], target.value.data[i] + t * target.error.data[i]),
          ),
        );
        const crossing =
          Math.abs(mean.value.data[i] - target.value.data[i]) <= mean.error.data[i] + target.error.data[i];
        if (crossing) corners.push([1, 0]); // where the formulas meet, a is greatest
        for (const channel of [0, 1]) {
          const passed = Math.max(...corners.map((corner) => Math.abs(corner[channel] - value.data[2 * i + channel])));
          // Two sums of a rounded e, and a division; b is a difference more.
          error[2 * i + channel] = passed + (gamma(7) + divide + F32) * Math.max(...corners.map(([a]) => Math.abs(a)));
        }
      }
      return bounded(value, error);
    },

    colourLines(input, luma, chroma) {
      const pixels = input as RawImage;
      const value = colourLines(pixels, luma.value, chroma.value);
      const { width, height } = pixels;
      const size = width * height;
      const error = new Float32Array(size * 2);
      const images = Array.from({ length: 4 }, () => new Uint8ClampedArray(size * 4));
      for (let i = 0; i < size; i++) {
        const moments = momentIntervals(luma, chroma, width, height, i);
        const { slopes, margin } = lineIntervals(moments);
        for (const channel of [0, 1]) {
          const at = 2 * i + channel;
          const exact = value.slopes.data[at];
          error[at] = Math.max(slopes[channel][1] - exact, exact - slopes[channel][0]) + F32 * Math.abs(exact);
        }
        putBounds(images[1], images[2], pixels, i, Math.floor(margin[0]));
        putBounds(images[0], images[3], pixels, i, Math.floor(margin[1]));
      }
      return {
        slopes: bounded(value.slopes, error),
        low: { width, height, low: images[0], high: images[1] },
        high: { width, height, low: images[2], high: images[3] },
      };
    },

    planesToPixels({ luma, base, gains, chroma, lines: { slopes, low, high } }, crop) {
      const [, h, w] = luma.shape;
      const enlarged = ops.resize(chroma, h, w, 'bicubic', -0.5);
      const y = adjusted(luma, gains);
      const intervals = pixelIntervals(y, followed(enlarged, slopes, y, base), crop);
      const s = h / chroma.shape[1];
      const keep = (bytes: Uint8ClampedArray, which: 'low' | 'high'): Uint8ClampedArray =>
        bytes.map((byte, i) => {
          const x = Math.floor((crop.x + (Math.floor(i / 4) % crop.width)) / s);
          const y = Math.floor((crop.y + Math.floor(i / 4 / crop.width)) / s);
          const at = (y * chroma.shape[2] + x) * 4 + (i % 4);
          const of = (image: RawImage | BoundedPixels): number => ('data' in image ? image.data[at] : image[which][at]);
          return Math.min(Math.max(byte, of(low)), of(high));
        });
      return { ...intervals, low: keep(intervals.low, 'low'), high: keep(intervals.high, 'high') };
    },

    slice: (x, area, step) => permuted((t) => slice(t, area, step))(x),
    concat: (...xs) => bounded(concat(...xs.map(({ value }) => value)), concat(...xs.map(({ error }) => error)).data),

    arithmetic(a, operation, b) {
      const value = calculate(a.value, operation, typeof b === 'number' ? b : b.value);
      const per = typeof b === 'number' ? 0 : a.shape[3] / b.shape[3];
      const error = value.data.map((y, i) => {
        const [va, ea] = [a.value.data[i], a.error.data[i]];
        const at = Math.floor(i / per);
        const [vb, eb] = typeof b === 'number' ? [Math.fround(b), 0] : [b.value.data[at], b.error.data[at]];
        if (Number.isNaN(y) || (ea === 0 && eb === 0 && !Number.isFinite(y))) return 0;
        // What the errors of a and b can do at the worst, at the corners: every operation is monotonic in each of them.
        const corners = [va - ea, va + ea].flatMap((x) => [vb - eb, vb + eb].map((z) => CALCULATE[operation](x, z)));
        const crosses = operation === 'divide' && Math.abs(vb) <= eb;
        const passed = crosses ? Infinity : Math.max(...corners.map((corner) => Math.abs(corner - y)));
        const rounding = operation === 'divide' ? divide : operation === 'minimum' || operation === 'maximum' ? 0 : u;
        return passed + (rounding + F32) * (Math.abs(y) + passed);
      });
      return bounded(value, error);
    },

    averagePool(x, height, width) {
      const value = averagePool(x.value, height, width);
      const passed = averagePool(x.error, height, width).data;
      const total = averagePool(largest(x), height, width).data;
      const [, h, w] = x.shape;
      const most = (size: number, outSize: number): number =>
        Math.max(
          ...Array.from(
            { length: outSize },
            (_, i) => poolWindow(i, size, outSize)[1] - poolWindow(i, size, outSize)[0],
          ),
        );
      // K: the sum of a window's values.
      const own = gamma(most(h, height) * most(w, width)) + divide;
      return bounded(
        value,
        value.data.map((y, i) => passed[i] + own * total[i] + F32 * Math.abs(y)),
      );
    },

    gridSample(x, offsets, groups) {
      const value = gridSample(x.value, offsets.value, groups);
      const [, height, width, c] = value.shape;
      const [, h, w] = x.shape;
      const sizes = largest(x).data;
      const error = value.data.map((y, i) => {
        const pixel = Math.floor(i / c);
        const image = Math.floor(pixel / width / height);
        const group = Math.floor((i % c) / (c / groups));
        const position = positionAt(x.value, offsets.value, pixel, group);
        // K of a position: o + 0.5, a rounded quotient of the sizes and its product, - 0.5, + offset, which may be
        // large.
        const wrong = position.map((at, axis) => {
          const k = pixel * 2 * groups + (axis === 0 ? groups : 0) + group;
          const [offset, own] = [Math.abs(offsets.value.data[k]), offsets.error.data[k]];
          return own + (gamma(6) + divide + F32) * (Math.abs(at) + 2 * offset + own + 1);
        });
        // Every value that may be mixed, and no sum is larger than the largest; between two neighbours it is steepest.
        const range = (at: number, e: number, size: number): number[] => {
          const [from, to] = [at - e, at + e].map((p) => Math.floor(Math.min(Math.max(p, 0), size - 1)));
          return Array.from({ length: to - from + 2 }, (_, k) => Math.min(from + k, size - 1));
        };
        let [low, high, size, passed] = [Infinity, -Infinity, 0, 0];
        for (const iy of range(position[0], wrong[0], h)) {
          for (const ix of range(position[1], wrong[1], w)) {
            const at = ((image * h + iy) * w + ix) * c + (i % c);
            low = Math.min(low, x.value.data[at]);
            high = Math.max(high, x.value.data[at]);
            size = Math.max(size, sizes[at]);
            passed = Math.max(passed, x.error.data[at]);
          }
        }
        // K of the sum: a difference and a product on each axis, and two sums.
        return passed + (high - low) * (wrong[0] + wrong[1]) + gamma(8) * size + F32 * Math.abs(y);
      });
      return bounded(value, error);
    },
  };
  return {
    ...ops, // permutations round nothing, and bytes are bytes
    input: (data, shape) => stored(ops.input(data, shape)),
    conv2d: (...args) => stored(ops.conv2d(...args)),
    normalizeKernels: (...args) => stored(ops.normalizeKernels(...args)),
    reassemble: (...args) => stored(ops.reassemble(...args)),
    carafePack: (...args) => stored(ops.carafePack(...args)),
    reassembleSum: (...args) => stored(ops.reassembleSum(...args)),
    resize: (...args) => stored(ops.resize(...args)),
    pixelsToPlanes(...args) {
      const { luma, chroma } = ops.pixelsToPlanes(...args);
      return { luma: stored(luma), chroma: stored(chroma) };
    },
    meanGains: (...args) => stored(ops.meanGains(...args)),
    colourLines(...args) {
      const { slopes, ...bounds } = ops.colourLines(...args);
      return { slopes: stored(slopes), ...bounds };
    },
    arithmetic: (...args) => stored(ops.arithmetic(...args)),
    averagePool: (...args) => stored(ops.averagePool(...args)),
    gridSample: (...args) => stored(ops.gridSample(...args)),
  };

  /** |activation(x + before) - activation(x)| at the worst, plus what computing the activation adds. */
  function activationError(x: number, before: number, activation: Activation, slope: number): number {
    const size = Math.abs(x) + before;
    switch (activation) {
      case 'none':
        return before;
      case 'relu':
        return before; // slope 0 or 1, exact
      case 'leaky-relu':
        // one product, by a rounded slope
        return before * Math.max(1, Math.abs(slope)) + (u + F32) * size * Math.abs(slope);
      case 'silu': {
        // Slope at most 1.1 (at x = 2.4). x * sigmoid: exp, 1 + exp, the division, the product; where exp leaves f32's
        // range the sigmoid may be anything below twice the smallest normal. sigmoid's own relative error is at most
        // exp's.
        const sigmoid = x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
        return 1.1 * before + size * sigmoid * (exp(size) + gamma(2) + divide) + size * 2 * SMALLEST;
      }
      case 'hardswish': {
        // Slope at most 1.5 (at x = 3). x * clamp(x + 3, 0, 6) / 6: the sum rounds by u * |x + 3| <= 6 u inside the
        // clamp, then a product and a division by 6 (or a product with a rounded 1/6: 2).
        const clamped = Math.min(Math.max(x + 3, 0), 6);
        return 1.5 * before + (size * (u * 6)) / 6 + size * (clamped / 6) * (gamma(3) + divide);
      }
    }
  }

  /** The bound of each element of a normaliser's result, over the taps of each group and sub-pixel. */
  function normalizerErrors(
    rows: Bounded,
    value: Float32Array,
    { scale, kUp }: Window,
    normalizer: Normalizer,
  ): Float32Array {
    const taps = kUp * kUp;
    const subs = scale * scale;
    const errors = new Float32Array(value.length);
    const relative = new Float64Array(taps);
    for (let group = 0; group < value.length; group += taps * subs) {
      for (let first = group; first < group + subs; first++) {
        const at = (tap: number): number => first + tap * subs;
        let max = -Infinity;
        let spread = 0; // of the input's error
        for (let tap = 0; tap < taps; tap++) {
          max = Math.max(max, rows.value.data[at(tap)]);
          spread = Math.max(spread, rows.error.data[at(tap)]);
        }
        let sum = 0;
        for (let tap = 0; tap < taps; tap++) {
          const x = rows.value.data[at(tap)];
          const wrong = rows.error.data[at(tap)];
          if (normalizer === 'softmax') {
            const below = max - x + 2 * spread;
            relative[tap] = exp(below) + u * below; // exp of a difference that was rounded
          } else {
            // sigmoid-normalized may take a common factor exp(min(0, max)) out of all sigmoids, so exp's argument is a
            // rounded difference too.
            const size = Math.abs(x) + wrong;
            relative[tap] = 2 * exp(size) + u * size + gamma(2) + divide;
          }
          sum += relative[tap] * value[at(tap)];
        }
        for (let tap = 0; tap < taps; tap++) {
          const y = value[at(tap)];
          const wrong = rows.error.data[at(tap)];
          if (normalizer === 'sigmoid') {
            // Derivative at most 1/4, and the relative change at most e^wrong - 1; below the smallest normal it may be
            // flushed.
            errors[at(tap)] = Math.min(wrong / 4, y * Math.expm1(wrong)) + y * relative[tap] + 2 * SMALLEST + F32 * y;
          } else {
            // Numerator, and the sum of the same (their mean error by weight, and its additions), then a division or a
            // product with the rounded reciprocal. The sum is at least 1, or scaled to be so: what is flushed from it
            // is below the smallest normal.
            const local = relative[tap] + sum + gamma(taps + 1) + divide;
            errors[at(tap)] =
              y * Math.expm1(wrong + spread) + y * (Math.expm1(local) + F32) + 2 * SMALLEST * (1 + taps * y);
          }
        }
      }
    }
    return errors;
  }

  /** gain * clamp(luma, 0, 1) + offset, of the source pixel. */
  function adjusted(luma: Bounded, gains: Bounded): Bounded {
    const [images, h, w] = luma.shape;
    const [, sourceH, sourceW] = gains.shape;
    const value = new Float32Array(luma.value.data.length);
    const error = new Float32Array(value.length);
    for (let i = 0; i < images * h * w; i++) {
      const at = 2 * sourceOf(i, w, sourceH / h, sourceW);
      const [a, b] = [gains.value.data[at], gains.value.data[at + 1]];
      const [ea, eb] = [gains.error.data[at], gains.error.data[at + 1]];
      const inside = Math.min(Math.max(luma.value.data[i], 0), 1);
      const wrong = luma.error.data[i];
      value[i] = a * inside + b;
      // A product and a sum, and the value's own rounding to f32, which the reference does not make.
      error[i] =
        ea * (inside + wrong) +
        Math.abs(a) * wrong +
        eb +
        (gamma(2) + F32) * (Math.abs(a) * (inside + wrong) + Math.abs(b));
    }
    return bounded({ data: value, shape: luma.shape }, error);
  }

  /** chroma + slope * (y - base), of the source pixel. */
  function followed(chroma: Bounded, slopes: Bounded, y: Bounded, base: Bounded): Bounded {
    const [, h, w] = chroma.shape;
    const [, sourceH, sourceW] = slopes.shape;
    const value = new Float32Array(chroma.value.data.length);
    const error = new Float32Array(value.length);
    for (let i = 0; i < value.length; i++) {
      const pixel = i >> 1;
      const at = 2 * sourceOf(pixel, w, sourceH / h, sourceW) + (i & 1);
      const [slope, c] = [slopes.value.data[at], chroma.value.data[i]];
      const step = y.value.data[pixel] - base.value.data[pixel];
      const size = Math.abs(y.value.data[pixel]) + Math.abs(base.value.data[pixel]);
      const wrong = y.error.data[pixel] + base.error.data[pixel];
      value[i] = c + slope * step;
      error[i] =
        chroma.error.data[i] +
        (Math.abs(slope) + slopes.error.data[at]) * wrong +
        slopes.error.data[at] * Math.abs(step) +
        (gamma(3) + F32) *
          (Math.abs(c) + chroma.error.data[i] + (Math.abs(slope) + slopes.error.data[at]) * (size + wrong));
    }
    return bounded({ data: value, shape: chroma.shape }, error);
  }

  /** Variances and covariances of a 3x3 window, of plain values or of differences to the pixel in the middle. */
  function momentIntervals(luma: Bounded, chroma: Bounded, w: number, h: number, i: number): MomentIntervals {
    const window = windowAt(i, w, h, 1);
    const planes = [
      (at: number) => [luma.value.data[at], luma.error.data[at]],
      ...[0, 1].map((c) => (at: number) => [chroma.value.data[2 * at + c], chroma.error.data[2 * at + c]]),
    ];
    const { centred = false } = arithmetic;
    const values = planes.map((plane) => window.map((at) => plane(at)[0] - (centred ? plane(i)[0] : 0)));
    const before = planes.map((plane) => Math.max(...window.map((at) => plane(at)[1])));
    const mean = (v: readonly number[]): number => v.reduce((sum, x) => sum + x / 9, 0);
    const size = values.map((plane) => mean(plane.map(Math.abs)));
    const spread = values.map((plane) => mean(plane.map((x) => Math.abs(x - mean(plane)))));
    const wrong = before.map((e, plane) => e + (centred ? u * (2 * size[plane] + 2 * e) : 0));
    const cov = (a: number, b: number): Interval => {
      const products = values[a].map((x, k) => x * values[b][k]);
      const value = mean(products) - mean(values[a]) * mean(values[b]);
      // Errors of what goes in change a covariance as they covary: what all nine have in common does nothing.
      const passed = 2 * (wrong[a] * spread[b] + wrong[b] * spread[a] + wrong[a] * wrong[b]);
      const [sa, sb] = [size[a] + before[a], size[b] + before[b]];
      // K: a product (or an exact constant and one), nine sums in two steps of at most five, a rounded ninth; of both
      // means; the difference.
      const own = gamma(9) * (mean(products.map(Math.abs)) + sa * before[b] + sb * before[a]) + gamma(17) * sa * sb;
      return [value - passed - own, value + passed + own];
    };
    const [varB, varR] = [cov(1, 1), cov(2, 2)];
    return { varY: cov(0, 0), varC: [varB[0] + varR[0], varB[1] + varR[1]], covB: cov(0, 1), covR: cov(0, 2) };
  }

  /** The formulas of reference/colour-lines.ts on intervals. */
  function lineIntervals({ varY, varC, covB, covR }: MomentIntervals): { slopes: Interval[]; margin: Interval } {
    const widen = ([from, to]: Interval, part: number): Interval => [
      from - part * Math.abs(from),
      to + part * Math.abs(to),
    ];
    const square = ([from, to]: Interval): Interval => [
      from * to <= 0 ? 0 : Math.min(from * from, to * to),
      Math.max(from * from, to * to),
    ];
    const over = (value: number, divisor: number): number => (divisor > 0 ? value / divisor : Infinity);
    const [sb, sr] = [square(covB), square(covR)];
    const explained: Interval = [sb[0] + sr[0], sb[1] + sr[1]];
    const [min, max] = [0, 1].map((k) => (varY[k] + 1e-6) * (varC[k] + 3e-5));
    const positive = varY[0] + 1e-6 > 0 && varC[0] + 3e-5 > 0;
    const ratio: Interval = [over(explained[0], max), positive ? over(explained[1], min) : Infinity];
    const rho = widen(ratio, gamma(8) + divide).map((r) => Math.min(1, r)) as [number, number];
    const factor = widen([over(rho[0] ** 2, varY[1] + 3e-5), over(rho[1] ** 2, varY[0] + 3e-5)], gamma(4) + divide);
    const slopes = [covB, covR].map((cov): Interval => {
      const corners = cov.flatMap((c) => factor.map((f) => (c === 0 ? 0 : c * f)));
      return widen([Math.min(...corners), Math.max(...corners)], gamma(2));
    });
    const steep = slopes.map(
      ([from, to]): Interval => [
        from * to <= 0 ? 0 : Math.min(Math.abs(from), Math.abs(to)),
        Math.max(Math.abs(from), Math.abs(to)),
      ],
    );
    const steepest = [0, 1].map((k) => Math.max(...steep.map((one) => one[k])));
    const share = [0, 1].map((k) => Math.max(0, varY[k]) / (Math.max(0, varY[k]) + 0.03));
    const doubt = [1, 0].map((k) => 10 * Math.max(0, 0.2 - steepest[k]) + Math.max(0, 0.9 - rho[k]));
    // Constants are rounded; differences to them by a part of them.
    const margin = [0, 1].map((k) => 12 + 255 * share[k] * doubt[k]);
    const rounding = gamma(12) * (12 + 255 * 3) + divide * margin[1];
    // Never less than 12, and exactly that where there is no doubt.
    return { slopes, margin: [Math.max(12, margin[0] - rounding), doubt[1] > 0 ? margin[1] + rounding : 12] };
  }

  /** What each channel may round to: floor(v * 255 + 0.5) for every v within the error of the plane and of this op. */
  function pixelIntervals(luma: Bounded, chroma: Bounded, crop: Rectangle): BoundedPixels {
    const [images, h, w] = luma.shape;
    const low = new Uint8ClampedArray(crop.width * crop.height * 4);
    const high = new Uint8ClampedArray(low.length);
    let target = 0;
    const put = (v: number, error: number): void => {
      // v * 255 + 0.5: a product and a sum.
      const wrong = 255 * error + gamma(2) * (255 * (Math.abs(v) + error) + 0.5);
      low[target] = Math.floor(v * 255 + 0.5 - wrong);
      high[target++] = Math.floor(v * 255 + 0.5 + wrong);
    };
    for (let oy = 0; oy < crop.height; oy++) {
      for (let ox = 0; ox < crop.width; ox++) {
        const i = (crop.y + oy) * w + crop.x + ox;
        const [y, cb, cr] = [luma.value.data[i], chroma.value.data[2 * i], chroma.value.data[2 * i + 1]];
        const [ey, eb, er] = [luma.error.data[i], chroma.error.data[2 * i], chroma.error.data[2 * i + 1]];
        const [sy, sb, sr] = [Math.abs(y) + ey, Math.abs(cb) + eb, Math.abs(cr) + er];
        // K of R and B: a rounded coefficient, a product, a sum. G from R and B: theirs, two more, and a division by
        // 0.587; or from Cb and Cr directly, which is shorter. Both ways its terms are at most these.
        put(y + 1.402 * cr, ey + 1.402 * er + gamma(3) * (sy + 1.402 * sr));
        const [gb, gr] = [(0.114 * 1.772) / 0.587, (0.299 * 1.402) / 0.587];
        put(
          y - gb * cb - gr * cr,
          ey + gb * eb + gr * er + (gamma(8) + divide) * ((sy * (1 + 0.299 + 0.114)) / 0.587 + gb * sb + gr * sr),
        );
        put(y + 1.772 * cb, ey + 1.772 * eb + gamma(3) * (sy + 1.772 * sb));
        if (images === 2) put(luma.value.data[h * w + i], luma.error.data[h * w + i]);
        else low[target] = high[target++] = 255;
      }
    }
    return { width: crop.width, height: crop.height, low, high };
  }
}

type Interval = readonly [from: number, to: number];
type MomentIntervals = { readonly [Moment in keyof Moments]: Interval };

/** The source pixel of pixel i of an enlargement, over all images. */
function sourceOf(i: number, w: number, perPixel: number, sourceW: number): number {
  const [x, y] = [i % w, Math.floor(i / w)];
  return Math.floor(y * perPixel + 1e-9) * sourceW + Math.floor(x * perPixel + 1e-9);
}

function asTensor({ data, n, h, w }: { data: Float64Array; n: number; h: number; w: number }): Tensor {
  return { data: Float32Array.from(data), shape: [n, h, w, 1] };
}

/**
 * The bounds themselves are sums in f32 of rounded f32 magnitudes: a part in 2^18 on top makes them bounds again.
 * Flushed denormals: the smallest normal.
 */
function bounded(value: Tensor, error: Float32Array): Bounded {
  const exact = error.every((e) => e === 0);
  return {
    shape: value.shape,
    value,
    error: { data: exact ? error : error.map((e) => e * (1 + 2 ** -18) + SMALLEST), shape: value.shape },
  };
}

function absolute({ data, shape }: Tensor): Tensor {
  return { data: data.map(Math.abs), shape };
}

/** The largest magnitude that a backend's value may have. */
function largest({ value, error }: Bounded): Tensor {
  return { data: value.data.map((v, i) => Math.abs(v) + error.data[i]), shape: value.shape };
}

/**
 * resize with the magnitudes of its weights (bicubic's are partly negative), or of the terms they are sums of, on
 * magnitudes.
 */
function resizeMagnitudes(
  x: Tensor,
  height: number,
  width: number,
  mode: ResizeMode,
  cubicA: number,
  ofTerms: boolean,
): Float32Array {
  const [n, h, w, c] = x.shape;
  const y = new Float32Array(n * height * width * c);
  const rows = axisTaps(h, height, mode, cubicA);
  const columns = axisTaps(w, width, mode, cubicA);
  const { taps } = rows;
  const magnitude = ({ weight }: AxisTaps, i: number, inSize: number, outSize: number): number => {
    const tap = i % taps;
    if (!ofTerms || mode === 'bilinear' || tap === 0 || tap === 3) return Math.abs(weight[i]); // one product
    // The inner taps are (1 - t) (1 + t - (a + 2) t^2), t the distance.
    const position = (Math.floor(i / taps) + 0.5) * (inSize / outSize) - 0.5;
    const fraction = position - Math.floor(position);
    const t = tap === 1 ? fraction : 1 - fraction;
    return (1 - t) * (1 + t + Math.abs(cubicA + 2) * t * t);
  };
  for (let target = 0; target < y.length; target++) {
    const ci = target % c;
    const ox = Math.floor(target / c) % width;
    const oy = Math.floor(target / (c * width)) % height;
    const image = Math.floor(target / (c * width * height));
    let sum = 0;
    for (let ky = oy * taps; ky < (oy + 1) * taps; ky++) {
      for (let kx = ox * taps; kx < (ox + 1) * taps; kx++) {
        sum +=
          magnitude(rows, ky, h, height) *
          magnitude(columns, kx, w, width) *
          x.data[((image * h + rows.index[ky]) * w + columns.index[kx]) * c + ci];
      }
    }
    y[target] = sum;
  }
  return y;
}

/**
 * Kernels e / S of terms that are off by d where the largest is 1: (e + d) / (S + sum of d) is off by at most
 * (d + kernel * sum of d) / (S - sum of d), and 1 / S is the largest kernel.
 */
function withTermErrors(
  { value, error }: Bounded,
  { kUp, scale }: Window,
  term: NonNullable<Arithmetic['sumTerm']>,
): Bounded {
  const [taps, subs] = [kUp ** 2, scale ** 2];
  const errors = Float32Array.from(error.data);
  for (let first = 0; first < errors.length; first += taps * subs) {
    for (let sub = 0; sub < subs; sub++) {
      const at = Array.from({ length: taps }, (_, tap) => first + tap * subs + sub);
      const largest = Math.max(...at.map((i) => value.data[i]));
      const off = at.map((i) => term(Math.log(value.data[i] / largest)));
      const sum = off.reduce((a, b) => a + b);
      at.forEach((i, tap) => (errors[i] += (off[tap] + value.data[i] * sum) / (1 / largest - sum)));
    }
  }
  return bounded(value, errors);
}
