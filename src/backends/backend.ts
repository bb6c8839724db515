// The list of ops, and what each computes. A network is a plain function over `Ops`; a backend runs it. Values stay
// with the backend (arrays, wasm memory, GPU buffers) from upload to download: tensors are f32 [n, h, w, c] unless an
// op says otherwise.
//
// An op returns at once. Some backends only note what is to be done and do it all when the program's result is asked
// for.
// Arguments are complete and were checked (api/options.ts, engine/networks): an op has no defaults and checks nothing.
// n may be 0: the result is empty.
//
// NaN: every op is its formula in IEEE arithmetic, on every backend. A NaN reaches the values whose sum it is part of,
// also with a factor of 0, and no others. A tap outside the tensor is no part of a sum (padding 'zero', conv2d), and
// neither is the weight or kernel value that it would have had. Images hold bytes: planesToPixels takes finite values
// only.
import type { Activation, Layout, Normalizer, Padding, ResizeMode, Window } from '../core/shapes.js';
import type { RawImage, Shape } from '../core/tensor.js';

export type BackendName = 'reference' | 'wasm' | 'webgpu';

/** A tensor that a backend holds, of type f32. It belongs to the program that made it. */
export interface DeviceTensor {
  readonly shape: Shape;
}

/** An RGBA8 image that a backend holds. */
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
  /** Every output is one sum of products: no Winograd. */
  readonly exact?: boolean;
}

/** Convolution parameters that a backend holds until they are released or it is disposed. */
export interface DeviceConv {
  readonly cOut: number;
  readonly cIn: number;
  readonly k: number;
  /**
   * An output's bits depend on inputs up to this many pixels away (dilation 1), where that is more than (k-1)/2: such
   * outputs are computed in blocks of BLOCK x BLOCK pixels, counted from the tensor's corner. Two tensors agree where
   * their blocks begin on the same pixels.
   */
  readonly reach?: number;
}

/** Pixels on a side of the blocks that `reach` speaks of. */
export const BLOCK = 4;

export interface ConvOptions<Tensor = DeviceTensor> {
  readonly dilation: number;
  readonly activation: Activation;
  readonly slope: number; // of leaky-relu; the other activations do not read it
  readonly residual?: Tensor; // added after the activation, same shape as the output
}

/** The sum alone. */
export const PLAIN: ConvOptions<never> = { dilation: 1, activation: 'none', slope: 1 };

/**
 * The learned CARAFE module: mmcv's CARAFEPack, XiaLiPKU's and the YOLO forks' (BN folded, `activation` after
 * compress). CARAFE, arXiv:1905.02188, figure 2.
 */
export interface CarafePack<Conv = DeviceConv> extends Window {
  readonly compress?: Conv; // 1x1, c -> cMid; without it the encoder reads the features themselves
  readonly encode: Conv; // kEnc x kEnc, cMid -> groups * kUp^2 * scale^2
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

export type Arithmetic = 'add' | 'multiply' | 'divide' | 'minimum' | 'maximum';

/**
 * What whole architectures need besides the module and its upscaler (engine/networks): the upscaler's worker is built
 * without them.
 */
export interface NetworkOps<Tensor extends DeviceTensor = DeviceTensor> {
  /** out[n, y, x, c] = x[n, area.y + y * step, area.x + x * step, c], area.height x area.width pixels; all inside x. */
  slice(x: Tensor, area: Rectangle, step: number): Tensor;
  /** The channels of all, one after the other; n, h and w are the same. */
  concat(...xs: readonly Tensor[]): Tensor;
  /** a and b value by value; b is of the same shape, or [n, h, w, 1] for all channels of a pixel, or a number. */
  arithmetic(a: Tensor, operation: Arithmetic, b: Tensor | number): Tensor;
  /**
   * Means of the windows floor(i * h / height) .. ceil((i + 1) * h / height) - 1 on each axis
   * (torch.nn.AdaptiveAvgPool2d): -> [n, height, width, c].
   */
  averagePool(x: Tensor, height: number, width: number): Tensor;
  /**
   * x [n, h, w, c] where each output pixel says, bilinear, edges replicated (torch F.grid_sample, align_corners=False,
   * 'border'): offsets [n, H, W, 2 * groups], in pixels of x from where resize would sample it, (ox + 0.5) * w / W - 0.5;
   * the horizontal ones of all groups, then the vertical ones. A group is c / groups channels. -> [n, H, W, c].
   */
  gridSample(x: Tensor, offsets: Tensor, groups: number): Tensor;
}

/** What the operator needs besides the upscaler's ops: the worker for pictures on wasm is built without them. */
export interface OperatorOps<Tensor extends DeviceTensor = DeviceTensor> {
  /** [n, c, h, w] -> [n, h, w, c]: moves the second axis last. */
  nchwToNhwc(x: Tensor): Tensor;
  /** [n, h, w, c] -> [n, c, h, w]: moves the last axis second. */
  nhwcToNchw(x: Tensor): Tensor;
  /** The inverse of pixelShuffle. */
  pixelUnshuffle(x: Tensor, scale: number): Tensor;
  /**
   * rows [n, h, w, groups*kUp^2*s^2] normalised over the kUp^2 taps of each group and sub-pixel: softmax; sigmoid of
   * each; or sigmoid-normalized, sigmoid / (sum of the sigmoids), which adds up to 1 for any finite logits, as softmax
   * does.
   */
  normalizeKernels(rows: Tensor, window: Window, normalizer: Normalizer): Tensor;
  /**
   * out[n, y*s+sy, x*s+sx, c] =
   *   sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*kUp^2 + ky*kUp+kx)*s + sy)*s + sx],
   * g = floor(c / (C/groups)). Taps outside are left out (padding 'zero') or read the border. In layout
   * NCHW the result is [n, c, h*s, w*s].
   */
  reassemble(features: Tensor, rows: Tensor, window: Window, padding: Padding, layout: Layout): Tensor;
}

/**
 * Tensor, Pixels and Conv are what one backend holds. A network takes `Ops` as it is, and hands on what the ops return
 * without looking inside.
 */
export interface Ops<
  Tensor extends DeviceTensor = DeviceTensor,
  Pixels extends DevicePixels = DevicePixels,
  Conv extends DeviceConv = DeviceConv,
> extends OperatorOps<Tensor>,
    NetworkOps<Tensor> {
  /** Uploads f32 values in the order of `shape`. */
  input(data: Float32Array, shape: Shape): Tensor;
  inputPixels(image: RawImage): Pixels;
  /** The tensor is not read any more: its memory may serve later ops of this program. */
  free(...tensors: Tensor[]): void;

  /**
   * y = activation(bias + sum_{ky,kx,ci} x[oy + (ky-r)*dilation, ox + (kx-r)*dilation, ci] * weights) + residual,
   * r = (k-1)/2. Taps outside x are left out.
   */
  conv2d(x: Tensor, conv: Conv, options: ConvOptions<Tensor>): Tensor;
  /** out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx] (torch.nn.PixelShuffle). */
  pixelShuffle(x: Tensor, scale: number): Tensor;
  /**
   * The learned module whole:
   *   reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding);
   * x and the result in `layout`.
   */
  carafePack(x: Tensor, module: CarafePack<Conv>, layout: Layout): Tensor;
  /**
   * base + the sum over groups of reassemble(maps, softmax of the rows conv2d(x, encode), padding 'zero'), one map for
   * each group:
   * maps [n, h, w, groups], x [n, h, w, c], encode 1x1 to groups*kUp^2*s^2 channels, base [n, h*s, w*s, 1].
   */
  reassembleSum(maps: Tensor, x: Tensor, encode: Conv, base: Tensor, window: Window): Tensor;
  /**
   * Half-pixel centres, edges replicated, no antialiasing (torch F.interpolate, align_corners=False). `cubicA`: -0.5
   * Keys/MATLAB/PIL, -0.75 torch.
   */
  resize(x: Tensor, height: number, width: number, mode: ResizeMode, cubicA: number): Tensor;

  /**
   * RGBA8 -> luma [1, h, w, 1], or [2, h, w, 1] with alpha as the second image, and chroma [1, h, w, 2]; full-range
   * BT.601: Y in 0..1, Cb and Cr in -0.5..0.5.
   */
  pixelsToPlanes(pixels: Pixels, alpha: boolean): { luma: Tensor; chroma: Tensor };
  /**
   * Gains (a, b) [n, h, w, 2] with which a * clamp(big, 0, 1) + b has the local means of `small`: big [n, h*s, w*s, 1],
   * small [n, h, w, 1].
   * Of means over s x s pixels and [1 4 6 4 1] / 16 on both axes, m of big and t of small: m > t: a = (t + e) / (m +
   * e), b = 0; else
   * a = (1 - t + e) / (1 - m + e), b = 1 - a; e = 1e-3. Edges replicated.
   */
  meanGains(big: Tensor, small: Tensor): Tensor;
  /**
   * The line that colours around each source pixel lie on, and their bounds, of an image and its planes (of luma only
   * the first image):
   * slopes [1, h, w, 2] of Cb and Cr against Y in 3x3 pixels; low and high: the range of each colour in 5x5 pixels, of
   * alpha in 3x3,
   * widened. reference/colour-lines.ts has the formulas.
   */
  colourLines(pixels: Pixels, luma: Tensor, chroma: Tensor): ColourLines<Tensor, Pixels>;
  /**
   * The inverse of pixelsToPlanes, of the rectangle `crop` of luma [1 or 2, h*s, w*s, 1] only. y = a * clamp(luma, 0,
   * 1) + b with the gains
   * [1 or 2, h, w, 2] of the source pixel; chroma [1, h, w, 2] is enlarged by bicubic (a = -0.5), plus slope * (y -
   * base) with
   * base [as luma] and the slopes of the source pixel; RGB is clamped to 0..255, rounded half up, and then kept within
   * low..high of the
   * source pixel, as alpha is. Alpha is 255 before that where luma has one image.
   */
  planesToPixels(planes: EnlargedPlanes<Tensor, Pixels>, crop: Rectangle): Pixels;
}

/** What the source says about the colours of its enlargement: of colourLines. */
export interface ColourLines<Tensor = DeviceTensor, Pixels = DevicePixels> {
  readonly slopes: Tensor;
  readonly low: Pixels;
  readonly high: Pixels;
}

/** What planesToPixels makes an image of. */
export interface EnlargedPlanes<Tensor = DeviceTensor, Pixels = DevicePixels> {
  readonly luma: Tensor;
  readonly base: Tensor; // luma by bicubic
  readonly gains: Tensor;
  readonly chroma: Tensor;
  readonly lines: ColourLines<Tensor, Pixels>;
}

export interface Backend<
  Tensor extends DeviceTensor = DeviceTensor,
  Pixels extends DevicePixels = DevicePixels,
  Conv extends DeviceConv = DeviceConv,
> {
  readonly name: BackendName;
  /** Which build or adapter: 'simd', 'relaxed-simd', or the adapter's description. */
  readonly details: string;
  /**
   * Values that one tensor may have. Only of a real GPU, where few large programs are quicker than many small ones and
   * memory is what bounds them.
   */
  readonly largestTensor?: number;
  conv(weights: ConvWeights): Conv;
  /** Nothing that runs or will run reads them: their memory may serve others. */
  release(...convs: Conv[]): void;
  /**
   * Runs one program and downloads its result, into `into` where given; everything else it made is released. The values
   * are the caller's.
   */
  run(program: (ops: Ops<Tensor, Pixels, Conv>) => Tensor, into?: Float32Array): Promise<Float32Array>;
  /** The same for a program that makes several tensors. What they have in common is computed once. */
  runAll(program: (ops: Ops<Tensor, Pixels, Conv>) => readonly Tensor[]): Promise<Float32Array[]>;
  /** The same for a program that makes several images, which need not depend on one another. */
  runPixels(program: (ops: Ops<Tensor, Pixels, Conv>) => readonly Pixels[]): Promise<Uint8ClampedArray[]>;
  dispose(): void;
}
