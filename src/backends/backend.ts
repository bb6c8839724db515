// THE list of ops. A network is a plain function over `Ops`; a backend executes it on tensors that stay resident
// (Float32Array, wasm arena pointers, GPU buffers) from upload to download. Everything is NHWC and f32 here.
// Ops are synchronous: the GPU backend records them and submits once per program. Shapes come from core/shapes.ts;
// arguments were checked before they reach an op. Same op, same file name: reference/, wasm + assembly/, webgpu + shaders/.
import type { Activation, Layout, Normalizer, Padding, ResizeMode, Window } from '../core/shapes.js';
import type { RawImage, Shape } from '../core/tensor.js';

export type BackendName = 'reference' | 'wasm' | 'webgpu';

/** A resident f32 tensor [n, h, w, c]. Valid inside the program that made it. */
export interface DeviceTensor {
  readonly shape: Shape;
}

/** A resident RGBA8 image. */
export interface DevicePixels {
  readonly width: number;
  readonly height: number;
}

/** Convolution parameters as PyTorch stores them: weights [cOut, cIn, k, k], k odd; bias [cOut]. */
export interface ConvWeights {
  readonly weights: Float32Array;
  readonly bias?: Float32Array;
  readonly cOut: number;
  readonly cIn: number;
  readonly k: number;
  /** Every output is one sum of products: no Winograd. Default false. */
  readonly exact?: boolean;
}

/** Convolution parameters packed for one backend, resident until the backend is disposed. */
export interface DeviceConv {
  readonly cOut: number;
  readonly cIn: number;
  readonly k: number;
  /**
   * How many pixels away (at dilation 1) an input may change an output's bits, where that is more than (k-1)/2 because outputs are
   * computed in blocks. Blocks lie on a grid of BLOCK pixels from the tensor's corner.
   */
  readonly reach?: number;
}

/** Any `reach` is for tensors that begin on the same grid, of this many pixels. */
export const BLOCK = 4;

export interface ConvOptions {
  readonly dilation?: number; // default 1
  readonly activation?: Activation; // default 'none'
  readonly slope?: number; // of leaky-relu, default 0.01
  readonly residual?: DeviceTensor; // added after the activation, same shape as the output
}

/** The learned CARAFE module: mmcv's CARAFEPack, XiaLiPKU's and the YOLO forks' (BN folded, `activation` after compress). CARAFE, arXiv:1905.02188, figure 2. */
export interface CarafePack extends Window {
  readonly compress?: DeviceConv; // 1x1, c -> cMid; without it the encoder reads the features themselves
  readonly encode: DeviceConv; // kEnc x kEnc, cMid -> groups * kUp^2 * scale^2
  readonly activation: Activation; // after compress
  readonly slope: number; // of leaky-relu
  readonly dilation: number; // of encode
  readonly normalizer: Normalizer;
  readonly padding: Padding; // of the reassembly
}

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Ops {
  /** Uploads f32 values in the order of `shape`. */
  input(data: Float32Array, shape: Shape): DeviceTensor;
  inputPixels(image: RawImage): DevicePixels;
  /** The tensor is not read any more: its memory may serve later ops of this program. */
  free(...tensors: DeviceTensor[]): void;

  /** [n, c, h, w] -> [n, h, w, c]: moves the second axis last. */
  nchwToNhwc(x: DeviceTensor): DeviceTensor;
  /** [n, h, w, c] -> [n, c, h, w]: moves the last axis second. */
  nhwcToNchw(x: DeviceTensor): DeviceTensor;

  /** y = activation(bias + sum_{ky,kx,ci} x[oy + (ky-r)*dilation, ox + (kx-r)*dilation, ci] * weights) + residual, r = (k-1)/2, zeros outside. */
  conv2d(x: DeviceTensor, conv: DeviceConv, options?: ConvOptions): DeviceTensor;
  /** out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx] (torch.nn.PixelShuffle). */
  pixelShuffle(x: DeviceTensor, scale: number): DeviceTensor;
  /** The inverse of pixelShuffle. */
  pixelUnshuffle(x: DeviceTensor, scale: number): DeviceTensor;
  /** rows [n, h, w, groups*kUp^2*s^2] normalised over the kUp^2 taps of each group and sub-pixel. sigmoid-normalized: sigmoid / (sum of sigmoids over the taps). */
  normalizeKernels(rows: DeviceTensor, window: Window, normalizer: Normalizer): DeviceTensor;
  /** out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*kUp^2 + ky*kUp+kx)*s + sy)*s + sx], g = floor(c / (C/groups)). In layout NCHW (default NHWC) the result is [n, c, h*s, w*s]. */
  reassemble(
    features: DeviceTensor,
    rows: DeviceTensor,
    window: Window,
    padding: Padding,
    layout?: Layout,
  ): DeviceTensor;
  /** The learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding); x and the result in `layout`. */
  carafePack(x: DeviceTensor, module: CarafePack, layout: Layout): DeviceTensor;
  /**
   * base + the sum over groups of reassemble(maps, softmax of the rows conv2d(x, encode)), one map for each group, taps outside read zero:
   * maps [n, h, w, groups], x [n, h, w, c], encode 1x1 to groups*kUp^2*s^2 channels, base [n, h*s, w*s, 1].
   */
  reassembleSum(
    maps: DeviceTensor,
    x: DeviceTensor,
    encode: DeviceConv,
    base: DeviceTensor,
    window: Window,
  ): DeviceTensor;
  /** Half-pixel centres, edges replicated, no antialiasing (torch F.interpolate, align_corners=False). `cubicA`: -0.5 Keys/MATLAB/PIL, -0.75 torch. */
  resize(x: DeviceTensor, height: number, width: number, mode: ResizeMode, cubicA?: number): DeviceTensor;

  /** RGBA8 -> luma [1, h, w, 1], or [2, h, w, 1] with alpha as the second image, and chroma [1, h, w, 2]; full-range BT.601: Y in 0..1, Cb and Cr in -0.5..0.5. */
  pixelsToPlanes(pixels: DevicePixels, alpha: boolean): { luma: DeviceTensor; chroma: DeviceTensor };
  /** The inverse, of the rectangle `crop` of luma only; smaller chroma is enlarged to luma's size by bicubic (a = -0.5); clamped, rounded half up; alpha 255 where luma has one image. */
  planesToPixels(luma: DeviceTensor, chroma: DeviceTensor, crop: Rectangle): DevicePixels;
}

export interface Backend {
  readonly name: BackendName;
  /** Which build or adapter: 'simd', 'relaxed-simd', or the adapter's description. */
  readonly details: string;
  /** Tiles that are worth running as one program: more than one only where starting it and reading it back take long beside computing it. */
  readonly batch: number;
  conv(weights: ConvWeights): DeviceConv;
  /** Runs one program and downloads its result, into `into` where given; everything else it made is released. The values are the caller's. */
  run(program: (ops: Ops) => DeviceTensor, into?: Float32Array): Promise<Float32Array>;
  /** The same for a program that makes several images, which need not depend on one another. */
  runPixels(program: (ops: Ops) => readonly DevicePixels[]): Promise<Uint8ClampedArray[]>;
  dispose(): void;
}
