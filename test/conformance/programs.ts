// From a case to what runs: its data, its convolution parameters and its program over Ops. The same program runs on a
// backend and, with bounds, on the reference.
import {
  type ColourLines,
  type ConvOptions,
  type ConvWeights,
  type DeviceConv,
  type DevicePixels,
  type DeviceTensor,
  type Ops,
  PLAIN,
  type Rectangle,
} from '../../src/backends/backend.js';
import { rowLength } from '../../src/core/shapes.js';
import { elements, type RawImage, type Shape } from '../../src/core/tensor.js';
import {
  type CarafePackCase,
  type Case,
  caseName,
  type ColourLinesCase,
  type ImageCase,
  type NormalizeCase,
} from './cases.js';
import { Random, seedOf } from '../random.js';

export interface TensorProgram {
  readonly convs: readonly ConvWeights[];
  readonly tensor: (ops: Ops, convs: readonly DeviceConv[]) => DeviceTensor;
}

export interface PixelsProgram {
  readonly convs: readonly ConvWeights[];
  readonly pixels: (ops: Ops, convs: readonly DeviceConv[]) => DevicePixels;
}

export type Program = TensorProgram | PixelsProgram;

export function programOf(c: Case): Program {
  const random = new Random(seedOf(caseName(c)));
  const data = (shape: Shape, low = -1, high = 1): Float32Array => random.values(elements(shape), low, high);
  switch (c.op) {
    case 'nchwToNhwc':
    case 'nhwcToNchw': {
      const shape: Shape = c.op === 'nchwToNhwc' ? [c.n, c.c, c.h, c.w] : [c.n, c.h, c.w, c.c];
      const x = data(shape);
      return { convs: [], tensor: (ops) => ops[c.op](ops.input(x, shape)) };
    }
    case 'conv2d': {
      const shape: Shape = [c.n, c.h, c.w, c.cIn];
      const x = data(shape, -c.amplitude, c.amplitude);
      const outShape: Shape = [c.n, c.h, c.w, c.cOut];
      const residual = c.residual ? data(outShape) : undefined;
      const conv = { ...randomConv(random, c.cIn, c.cOut, c.k, c.bias), ...(c.exact && { exact: true }) };
      const options: ConvOptions<never> = { dilation: c.dilation, activation: c.activation, slope: c.slope };
      return {
        convs: [conv],
        tensor: (ops, [device]) =>
          ops.conv2d(
            ops.input(x, shape),
            device,
            residual ? { ...options, residual: ops.input(residual, outShape) } : options,
          ),
      };
    }
    case 'pixelShuffle': {
      const shape: Shape = [c.n, c.h, c.w, c.c * c.scale ** 2];
      const x = data(shape);
      return { convs: [], tensor: (ops) => ops.pixelShuffle(ops.input(x, shape), c.scale) };
    }
    case 'pixelUnshuffle': {
      const shape: Shape = [c.n, c.h * c.scale, c.w * c.scale, c.c];
      const x = data(shape);
      return { convs: [], tensor: (ops) => ops.pixelUnshuffle(ops.input(x, shape), c.scale) };
    }
    case 'normalizeKernels': {
      const shape: Shape = [c.n, c.h, c.w, rowLength(c)];
      const x = logits(random, elements(shape), c.logits);
      return { convs: [], tensor: (ops) => ops.normalizeKernels(ops.input(x, shape), c, c.normalizer) };
    }
    case 'reassemble': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const rowShape: Shape = [c.n, c.h, c.w, rowLength(c)];
      const [x, rows] = [data(shape), data(rowShape, -0.5, 1)];
      return {
        convs: [],
        tensor: (ops) => ops.reassemble(ops.input(x, shape), ops.input(rows, rowShape), c, c.padding, c.layout),
      };
    }
    case 'reassembleSum': {
      const shape: Shape = [c.n, c.h, c.w, c.groups];
      const xShape: Shape = [c.n, c.h, c.w, c.cIn];
      const baseShape: Shape = [c.n, c.h * c.scale, c.w * c.scale, 1];
      const [maps, x, base] = [data(shape), data(xShape), data(baseShape)];
      const encode = randomConv(random, c.cIn, rowLength(c), 1, true);
      return {
        convs: [encode],
        tensor: (ops, [device]) =>
          ops.reassembleSum(ops.input(maps, shape), ops.input(x, xShape), device, ops.input(base, baseShape), c),
      };
    }
    case 'resize': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const x = data(shape);
      const { height, width, mode, cubicA } = c;
      return {
        convs: [],
        tensor: (ops) => ops.resize(ops.input(x, shape), height, width, mode, cubicA),
      };
    }
    case 'pixelsToPlanes': {
      const image = randomImage(random, c.w, c.h);
      return { convs: [], tensor: (ops) => ops.pixelsToPlanes(ops.inputPixels(image), c.alpha)[c.plane] };
    }
    case 'meanGains': {
      const shape: Shape = [c.n, c.h, c.w, 1];
      const bigShape: Shape = [c.n, c.h * c.scale, c.w * c.scale, 1];
      const [big, small] = [data(bigShape, c.low, c.high), data(shape, Math.max(c.low, 0), Math.min(c.high, 1))];
      return { convs: [], tensor: (ops) => ops.meanGains(ops.input(big, bigShape), ops.input(small, shape)) };
    }
    case 'colourLines': {
      const image = colouredImage(random, c);
      const lines = (ops: Ops): ColourLines => {
        const pixels = ops.inputPixels(image);
        const { luma, chroma } = ops.pixelsToPlanes(pixels, true);
        return ops.colourLines(pixels, luma, chroma);
      };
      const { result } = c;
      if (result === 'slopes') return { convs: [], tensor: (ops) => lines(ops).slopes };
      return { convs: [], pixels: (ops) => lines(ops)[result] };
    }
    case 'planesToPixels': {
      const images = c.alpha ? 2 : 1;
      const bigShape: Shape = [images, c.h * c.scale, c.w * c.scale, 1];
      const gainsShape: Shape = [images, c.h, c.w, 2];
      const pairShape: Shape = [1, c.h, c.w, 2];
      const [luma, chroma] = [data(bigShape, -0.2, 1.2), data(pairShape, -0.6, 0.6)]; // past both ends of 0..255
      const base = data(bigShape, 0, 1);
      const gains = data(gainsShape, 0.5, 1.5).map((v, i) => (i % 2 === 0 ? v : v / 5 - 0.2));
      const slopes = data(pairShape);
      const [low, high] = [randomImage(random, c.w, c.h), randomImage(random, c.w, c.h)];
      low.data.forEach((v, i) => (low.data[i] = v / 3));
      high.data.forEach((v, i) => (high.data[i] = 255 - v / 3));
      const [x, y, width, height] = c.crop;
      return {
        convs: [],
        pixels: (ops) =>
          ops.planesToPixels(
            {
              luma: ops.input(luma, bigShape),
              base: ops.input(base, bigShape),
              gains: ops.input(gains, gainsShape),
              chroma: ops.input(chroma, pairShape),
              lines: {
                slopes: ops.input(slopes, pairShape),
                low: ops.inputPixels(low),
                high: ops.inputPixels(high),
              },
            },
            { x, y, width, height },
          ),
      };
    }
    case 'slice': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const x = data(shape);
      const area = { x: c.left, y: c.top, width: c.width, height: c.height };
      return { convs: [], tensor: (ops) => ops.slice(ops.input(x, shape), area, c.step) };
    }
    case 'concat': {
      const shapes = c.channels.map((channels): Shape => [c.n, c.h, c.w, channels]);
      const xs = shapes.map((shape) => data(shape));
      return { convs: [], tensor: (ops) => ops.concat(...xs.map((x, i) => ops.input(x, shapes[i]))) };
    }
    case 'arithmetic': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const bShape: Shape = [c.n, c.h, c.w, c.b === 'pixel' ? 1 : c.c];
      const [x, signs] = [data(shape), data(bShape)];
      const b = data(bShape, 0.2, 2).map((v, i) => (signs[i] < 0 ? -v : v)); // none near 0, which is divided by
      return {
        convs: [],
        tensor: (ops) =>
          ops.arithmetic(ops.input(x, shape), c.operation, c.b === 'number' ? -1.7 : ops.input(b, bShape)),
      };
    }
    case 'averagePool': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const x = data(shape);
      return { convs: [], tensor: (ops) => ops.averagePool(ops.input(x, shape), c.height, c.width) };
    }
    case 'gridSample': {
      const shape: Shape = [c.n, c.h, c.w, c.c];
      const offsetShape: Shape = [c.n, c.height, c.width, 2 * c.groups];
      const [x, offsets] = [data(shape), data(offsetShape, -c.reach, c.reach)];
      return {
        convs: [],
        tensor: (ops) => ops.gridSample(ops.input(x, shape), ops.input(offsets, offsetShape), c.groups),
      };
    }
    case 'carafePack':
      return packProgram(c, random);
    case 'image':
      return imageProgram(c, random);
  }
}

function packProgram(c: CarafePackCase, random: Random): TensorProgram {
  const shape: Shape = c.layout === 'NHWC' ? [c.n, c.h, c.w, c.c] : [c.n, c.c, c.h, c.w];
  const x = random.values(elements(shape));
  const encode = randomConv(random, c.cMid || c.c, rowLength(c), c.kEnc, true);
  const compress = c.cMid > 0 ? [randomConv(random, c.c, c.cMid, 1, true)] : [];
  return {
    convs: [encode, ...compress],
    tensor: (ops, [encodeConv, compressConv]) =>
      ops.carafePack(
        ops.input(x, shape),
        { ...c, slope: 0.1, encode: encodeConv, ...(compressConv && { compress: compressConv }) },
        c.layout,
      ),
  };
}

/**
 * An upscaler in the small: luma and alpha through a network that ends in reassembleSum over a bicubic base, and all
 * that is made of it.
 */
function imageProgram(c: ImageCase, random: Random): PixelsProgram {
  const image = randomImage(random, c.w, c.h);
  // The sum of magnitudes of a filter is about 1/8, biases are an eighth of others': worst-case bounds grow by it with
  // every layer, and are to stay far below 1 / 255.
  const conv = (cIn: number, cOut: number, k: number): ConvWeights => {
    const drawn = randomConv(random, cIn, cOut, k, true, 1 / (4 * cIn * k * k));
    return { ...drawn, bias: drawn.bias!.map((b) => b / 8) };
  };
  const head = conv(1, c.channels, 3);
  const body = Array.from({ length: c.body }, () => conv(c.channels, c.channels, 3));
  const encode = conv(c.channels, rowLength(c), 1);
  const maps = conv(c.channels, c.groups, 3);
  return {
    convs: [head, encode, maps, ...body],
    pixels: (ops, [headConv, encodeConv, mapsConv, ...bodyConvs]) => {
      const pixels = ops.inputPixels(image);
      const { luma, chroma } = ops.pixelsToPlanes(pixels, c.alpha);
      const options = { ...PLAIN, activation: 'leaky-relu', slope: 0.1 } as const;
      let hidden = ops.conv2d(luma, headConv, options);
      for (const conv of bodyConvs) {
        const next = ops.conv2d(hidden, conv, { ...options, residual: hidden });
        ops.free(hidden);
        hidden = next;
      }
      const groups = ops.conv2d(hidden, mapsConv, PLAIN);
      const [width, height] = [c.w * c.scale, c.h * c.scale];
      const base = ops.resize(luma, height, width, 'bicubic', -0.5);
      const upscaled = ops.reassembleSum(groups, hidden, encodeConv, base, c);
      const gains = ops.meanGains(upscaled, luma);
      const lines = ops.colourLines(pixels, luma, chroma);
      return ops.planesToPixels({ luma: upscaled, base, gains, chroma, lines }, { x: 0, y: 0, width, height });
    },
  };
}

/** To planes and back, enlarged by 1: the image as it was. */
export function throughPlanes(
  ops: Ops,
  image: RawImage,
  alpha: boolean,
  crop: Rectangle = { x: 0, y: 0, width: image.width, height: image.height },
): DevicePixels {
  const pixels = ops.inputPixels(image);
  const { luma, chroma } = ops.pixelsToPlanes(pixels, alpha);
  const gains = ops.meanGains(luma, luma);
  const lines = ops.colourLines(pixels, luma, chroma);
  const result = ops.planesToPixels({ luma, base: luma, gains, chroma, lines }, crop);
  ops.free(luma, chroma, gains, lines.slopes);
  return result;
}

/** Weights uniform in +-size, by default such that the output is about twice as large as the input. */
function randomConv(
  random: Random,
  cIn: number,
  cOut: number,
  k: number,
  bias: boolean,
  size = 2 * Math.sqrt(3 / (cIn * k * k)),
): ConvWeights {
  return {
    weights: random.values(cOut * cIn * k * k, -size, size),
    cOut,
    cIn,
    k,
    ...(bias ? { bias: random.values(cOut) } : {}),
  };
}

function randomImage(random: Random, width: number, height: number): RawImage {
  return { data: new Uint8ClampedArray(random.bytes(width * height * 4).buffer), width, height };
}

/** Colours on a line between two, but for a byte of noise; or nearly one colour. Alpha is noise. */
function colouredImage(random: Random, { w, h, colours }: ColourLinesCase): RawImage {
  const image = randomImage(random, w, h);
  if (colours === 'noise') return image;
  const [from, to] = [random.bytes(3), random.bytes(3)];
  const width = colours === 'flat' ? 0.02 : 1;
  for (let i = 0; i < w * h; i++) {
    const share = random.uniform(0, width);
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = from[c] + share * (to[c] - from[c]) + random.integer(0, colours === 'flat' ? 0 : 1);
  }
  return image;
}

function logits(random: Random, length: number, kind: NormalizeCase['logits']): Float32Array {
  switch (kind) {
    case 'usual':
      return random.values(length, -4, 4);
    case 'wide':
      return Float32Array.from(
        { length },
        () => [90, -90, random.uniform(-90, 90), random.uniform(-4, 4)][random.integer(0, 3)],
      );
    case 'low':
      return random.values(length, -91, -89);
    case 'equal':
      return new Float32Array(length).fill(random.uniform(-3, 3));
  }
}
