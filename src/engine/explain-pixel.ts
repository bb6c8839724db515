// Why an output pixel of the upscaler is as it is: the weights with which the source's pixels make it. A CARAFE
// network is a sum of source pixels once its kernels are known: the kernels are predicted from the picture and then
// held, leaky ReLU is one of two factors, and what is left is linear. So the output is followed back through the
// network, as a gradient is, and the biases that it meets on the way are its constant:
//   value = sum of weights * luma + constant
// Done for a patch as large as the network sees, on the reference: 0.1 s, wherever the network itself runs.
import { referenceOps as ops } from '../backends/reference/reference-backend.js';
import { type ConvWeights, PLAIN } from '../backends/backend.js';
import { transposedConv } from '../backends/transposed-conv.js';
import { axisTaps } from '../core/resize-taps.js';
import { elements, type RawImage, type Shape, type Tensor } from '../core/tensor.js';
import { readDial } from '../models/dial.js';
import { parseSafetensors } from '../models/safetensors.js';
import { bleedColours } from './alpha.js';
import { type CarafeLuma, loadCarafeLuma } from './networks/carafe-luma.js';
import { cutTile } from './tiles.js';
import { GAINS_REACH } from './upscaler.js';

/** What made one pixel of an enlargement. Planes are row by row, width * height values each. */
export interface PixelExplanation {
  /** The window of the source that the network sees from there: its left upper pixel and its size. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Luma of the source in the window, 0..1; of invisible pixels that of the colour they were given. */
  readonly luma: Float32Array;
  /** What each of these pixels contributes: sum of weights * luma + constant = value. */
  readonly weights: Float32Array;
  /** Of the biases. */
  readonly constant: number;
  /** The output pixel's luma, before it is limited to 0..1 and rounded to 8 bits. */
  readonly value: number;
  /** The same window with the weights that bicubic (a = -0.5) has: they add up to 1. */
  readonly bicubic: Float32Array;
  /** The reassembly kernels behind the weights: of each group kUp * kUp values that add up to 1. */
  readonly kernels: readonly Float32Array[];
  readonly kUp: number;
}

/**
 * @param model the bytes of a .safetensors file of architecture carafe-luma
 * @param position on its dial
 * @param x a column of the enlargement, 0..width*scale-1
 * @param y a row of it
 */
export function explainPixel(
  model: Uint8Array,
  position: number,
  image: RawImage,
  x: number,
  y: number,
): PixelExplanation {
  const file = readDial(parseSafetensors(model)).at(position);
  const net = loadCarafeLuma({ conv: (weights: ConvWeights) => weights }, file);
  const { scale } = net;
  const source = { x: Math.floor(x / scale), y: Math.floor(y / scale), width: 1, height: 1 };
  const radius = net.halo + GAINS_REACH;
  const tile = bleedColours(cutTile(image, source, { border: radius, inner: radius }).image);
  const side = tile.width; // 2 * radius + 1: the source pixel is in its middle
  const luma = ops.pixelsToPlanes(tile, false).luma as Tensor;
  const at = { x: radius * scale + (x % scale), y: radius * scale + (y % scale) };
  const { big, gradient, bias, bicubic, kernels } = followBack(net, luma, at);
  const gains = ops.meanGains(big, luma) as Tensor;
  const [a, b] = gains.data.subarray(2 * (radius * side + radius));

  // Outside the image the tile repeats its edge: those weights belong to the edge's pixels.
  const left = Math.max(source.x - net.halo, 0);
  const top = Math.max(source.y - net.halo, 0);
  const width = Math.min(source.x + net.halo + 1, image.width) - left;
  const height = Math.min(source.y + net.halo + 1, image.height) - top;
  const [weights, sums] = [new Float64Array(width * height), new Float64Array(width * height)];
  const values = new Float32Array(width * height);
  for (let i = 0; i < luma.data.length; i++) {
    const px = clamp(source.x + (i % side) - radius - left, width);
    const py = clamp(source.y + Math.floor(i / side) - radius - top, height);
    weights[py * width + px] += a * (gradient[i] + bicubic[i]);
    sums[py * width + px] += bicubic[i];
    if (px === source.x + (i % side) - radius - left && py === source.y + Math.floor(i / side) - radius - top)
      values[py * width + px] = luma.data[i];
  }
  return {
    x: left,
    y: top,
    width,
    height,
    luma: values,
    weights: Float32Array.from(weights),
    constant: a * bias + b,
    value: a * big.data[at.y * side * scale + at.x] + b,
    bicubic: Float32Array.from(sums),
    kernels,
    kUp: net.kUp,
  };
}

/** What the network adds to bicubic at one output pixel of a patch, followed back to the patch. */
function followBack(net: CarafeLuma<ConvWeights>, luma: Tensor, at: { x: number; y: number }) {
  const { scale, kUp, groups, slope } = net;
  const [, height, width] = luma.shape;
  // Forward, keeping by which factor each activation multiplied.
  const factors: Float32Array[] = [];
  const activated = (x: Tensor, conv: ConvWeights): Tensor => {
    const sums = ops.conv2d(x, conv, PLAIN) as Tensor;
    const factor = sums.data.map((v) => (v < 0 ? slope : 1));
    factors.push(factor);
    return { data: sums.data.map((v, i) => v * factor[i]), shape: sums.shape };
  };
  let h = activated(luma, net.head);
  for (const conv of net.body) {
    const next = activated(h, conv);
    h = { data: next.data.map((v, i) => v + h.data[i]), shape: h.shape };
  }
  const maps = ops.conv2d(h, net.maps, PLAIN) as Tensor;
  const base = ops.resize(luma, height * scale, width * scale, 'bicubic', -0.5) as Tensor;
  const compressed = net.compress ? (ops.conv2d(h, net.compress, PLAIN) as Tensor) : h;
  const big = ops.reassembleSum(maps, compressed, net.encode, base, net) as Tensor;

  // The kernels of the output pixel.
  const source = { x: Math.floor(at.x / scale), y: Math.floor(at.y / scale) };
  const pixel = pixelOf(compressed, source);
  const rows = ops.normalizeKernels(ops.conv2d(pixel, net.encode, PLAIN), net, 'softmax') as Tensor;
  const taps = kUp * kUp;
  const sub = (at.y % scale) * scale + (at.x % scale);
  const kernels = Array.from({ length: groups }, (_, g) =>
    Float32Array.from({ length: taps }, (_, tap) => rows.data[(g * taps + tap) * scale * scale + sub]),
  );

  // Back: what each value contributes, and the biases on the way.
  let bias = 0;
  const through = (gradient: Tensor, conv: ConvWeights): Tensor => {
    if (conv.bias) gradient.data.forEach((g, i) => (bias += g * conv.bias![i % conv.cOut]));
    return ops.conv2d(gradient, transposedConv(conv), PLAIN) as Tensor;
  };
  const seed = zeros([1, height, width, groups]);
  const r = (kUp - 1) / 2;
  kernels.forEach((kernel, g) => {
    kernel.forEach((weight, tap) => {
      const [ty, tx] = [source.y + Math.floor(tap / kUp) - r, source.x + (tap % kUp) - r];
      seed.data[(ty * width + tx) * groups + g] += weight;
    });
  });
  let gradient = through(seed, net.maps);
  const masked = (): Tensor => {
    const factor = factors.pop()!;
    return { data: gradient.data.map((g, i) => g * factor[i]), shape: gradient.shape };
  };
  for (const conv of [...net.body].reverse()) {
    const past = through(masked(), conv);
    gradient = { data: gradient.data.map((g, i) => g + past.data[i]), shape: gradient.shape };
  }
  return { big, gradient: through(masked(), net.head).data, bias, bicubic: bicubicAt(at, scale, luma.shape), kernels };
}

/** The weights of the 4x4 pixels that bicubic reads, on the patch. */
function bicubicAt(at: { x: number; y: number }, scale: number, [, height, width]: Shape): Float32Array {
  const weights = new Float32Array(height * width);
  const [rows, columns] = [height, width].map((size) => axisTaps(size, size * scale, 'bicubic', -0.5));
  for (let ky = 4 * at.y; ky < 4 * at.y + 4; ky++) {
    for (let kx = 4 * at.x; kx < 4 * at.x + 4; kx++)
      weights[rows.index[ky] * width + columns.index[kx]] += rows.weight[ky] * columns.weight[kx];
  }
  return weights;
}

function pixelOf({ data, shape: [, , width, c] }: Tensor, { x, y }: { x: number; y: number }): Tensor {
  const first = (y * width + x) * c;
  return { data: data.slice(first, first + c), shape: [1, 1, 1, c] };
}

function zeros(shape: Shape): Tensor {
  return { data: new Float32Array(elements(shape)), shape };
}

function clamp(i: number, size: number): number {
  return Math.min(Math.max(i, 0), size - 1);
}
