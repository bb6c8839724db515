// What an upsampler costs, as the paper's Table 2 counts: parameters, and operations for each pixel of its input, a
// multiplication and an addition being two; biases are counted as one more product in CARAFE's convolutions, as in
// section 3.3, and not in the others'. CARAFE, arXiv:1905.02188.
import { expected } from './errors.js';

/** The upsamplers of Table 2. */
export type UpsamplerName =
  | 'nearest'
  | 'bilinear'
  | 'nearest-conv'
  | 'bilinear-conv'
  | 'deconv'
  | 'pixel-shuffle'
  | 'gum'
  | 'spatial-attention'
  | 'carafe';

/**
 * Sizes where they differ from the paper's: 256 channels, scale 2, 3x3 convolutions; CARAFE: cMid 64, kEnc 3, kUp 5.
 */
export interface UpsamplerSizes {
  channels?: number;
  scale?: number;
  /** Side of the convolution's window, of those that have one. */
  kernel?: number;
  /** Of CARAFE: 0 without a compressor. */
  cMid?: number;
  kEnc?: number;
  kUp?: number;
  groups?: number;
}

/**
 * Operations for each pixel of the input: 199,496 of CARAFE at the paper's sizes.
 * @throws {CarafeError} InvalidOption
 */
export function flops(upsampler: UpsamplerName, sizes: UpsamplerSizes = {}): number {
  return cost(upsampler, sizes).flops;
}

/**
 * Parameters: 74,148 of CARAFE at the paper's sizes.
 * @throws {CarafeError} InvalidOption
 */
export function params(upsampler: UpsamplerName, sizes: UpsamplerSizes = {}): number {
  return cost(upsampler, sizes).params;
}

function cost(upsampler: UpsamplerName, sizes: UpsamplerSizes): { flops: number; params: number } {
  const { channels = 256, scale = 2, kernel = 3, cMid = 64, kEnc = 3, kUp = 5, groups = 1 } = sizes;
  for (const [name, value] of Object.entries({ channels, scale, kernel, kEnc, kUp, groups }))
    if (!Number.isInteger(value) || value < 1) throw expected('InvalidOption', name, 'a positive integer', value);
  if (!Number.isInteger(cMid) || cMid < 0) throw expected('InvalidOption', 'cMid', 'an integer of 0 or more', cMid);
  const outputs = scale * scale; // pixels, for each of the input
  const conv = (cIn: number, cOut: number, k: number): number => (cIn * k * k + 1) * cOut; // parameters
  const work = (cIn: number, cOut: number, k: number): number => 2 * cIn * cOut * k * k; // for a pixel
  const bilinear = 2 * 4 * channels * outputs;
  switch (upsampler) {
    case 'nearest':
      return { flops: 0, params: 0 };
    case 'bilinear':
      return { flops: bilinear, params: 0 };
    case 'nearest-conv':
    case 'bilinear-conv': // at the output's size
      return {
        flops: (upsampler === 'bilinear-conv' ? bilinear : 0) + work(channels, channels, kernel) * outputs,
        params: conv(channels, channels, kernel),
      };
    case 'deconv': // every input pixel is multiplied with the whole window
      return { flops: work(channels, channels, kernel), params: conv(channels, channels, kernel) };
    case 'pixel-shuffle':
      return {
        flops: work(channels, channels * outputs, kernel),
        params: conv(channels, channels * outputs, kernel),
      };
    case 'gum': // at the output's size two 1x1 convolutions, one to offsets, and a bilinear sample
      return {
        flops: (2 * work(channels, channels, 1) + work(channels, 2, 1)) * outputs + bilinear,
        params: 2 * conv(channels, channels, 1) + conv(channels, 2, 1),
      };
    case 'spatial-attention': // a map of the output's size by a convolution, times what bilinear enlarges
      return {
        flops: work(channels, 1, kernel) * outputs + bilinear + channels * outputs,
        params: conv(channels, 1, kernel),
      };
    case 'carafe': {
      const kernels = groups * kUp * kUp * outputs;
      const size = (cMid > 0 ? conv(channels, cMid, 1) : 0) + conv(cMid || channels, kernels, kEnc);
      return { flops: 2 * size + 2 * outputs * kUp * kUp * channels, params: size };
    }
    default:
      throw expected('InvalidOption', 'upsampler', 'one of Table 2', upsampler);
  }
}
