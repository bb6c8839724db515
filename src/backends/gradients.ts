// The list of ops that differentiate: what a loss changes by an op's inputs, given what it changes by its result
// (`gradient`, of the result's shape). For carafe-web/backward alone: the upscaler and its worker are built without
// them. As in backend.ts tensors are f32 [n, h, w, c], and arguments are complete and checked.
import type { Activation, Normalizer, Padding, Window } from '../core/shapes.js';
import type { Shape, Tensor } from '../core/tensor.js';
import type { BackendName, ConvWeights, DeviceConv, DevicePixels, DeviceTensor, Ops } from './backend.js';

type Forward =
  | 'input'
  | 'nchwToNhwc'
  | 'nhwcToNchw'
  | 'conv2d'
  | 'pixelShuffle'
  | 'pixelUnshuffle'
  | 'normalizeKernels'
  | 'reassemble';

export interface GradientOps<T extends DeviceTensor = DeviceTensor, Conv extends DeviceConv = DeviceConv>
  extends Pick<Ops<T, DevicePixels, Conv>, Forward> {
  /**
   * Of reassemble, gradient [n, h*s, w*s, c]:
   *   features[n, iy, ix, c] = sum of gradient[n, y*s+sy, x*s+sx, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
   *   over all outputs and taps that read (iy, ix);
   *   rows[n, y, x, ((g*K + tap)*s + sy)*s + sx] = sum over the channels c of group g of
   *   gradient[n, y*s+sy, x*s+sx, c] * features[n, y+ky-r, x+kx-r, c], 0 where the tap is outside (padding 'zero').
   */
  reassembleGradient(
    features: T,
    rows: T,
    gradient: T,
    window: Window,
    padding: Padding,
  ): { readonly features: T; readonly rows: T };
  /** Of normalizeKernels, by the logits; kernels are its result. */
  normalizerGradient(logits: T, kernels: T, gradient: T, window: Window, normalizer: Normalizer): T;
  /** gradient * activation'(sums), sums being conv2d's without activation. At 0 relu has 0 and leaky-relu the slope. */
  activationGradient(sums: T, gradient: T, activation: Activation, slope: number): T;
  /**
   * Of conv2d without activation, by its parameters: weights [cOut, cIn, k, k], bias [1, 1, 1, cOut]. The gradient by x is
   * conv2d(gradient, transposedConv(conv)).
   */
  conv2dGradient(x: T, gradient: T, k: number, dilation: number): { readonly weights: T; readonly bias: T };
}

export interface GradientBackend<T extends DeviceTensor = DeviceTensor, Conv extends DeviceConv = DeviceConv> {
  readonly name: BackendName;
  conv(weights: ConvWeights): Conv;
  /** Runs one program and downloads its results; everything else it made is released. */
  run(program: (ops: GradientOps<T, Conv>) => readonly T[]): Promise<Tensor[]>;
  dispose(): void;
}

/** Of conv2dGradient's weights. */
export function convGradientShape(x: Shape, gradient: Shape, k: number): Shape {
  return [gradient[3], x[3], k, k];
}
