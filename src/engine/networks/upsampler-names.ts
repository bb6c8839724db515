// The upsamplers that upsamplers.ts makes, for whoever asks for one: the page does not need the rest.
import type { UpsamplerName } from '../../core/cost.js';

/** Those of the paper's table 2, and DySample. */
export type NetworkUpsampler = UpsamplerName | 'dysample';

export const UPSAMPLERS: readonly NetworkUpsampler[] = [
  'nearest',
  'bilinear',
  'nearest-conv',
  'bilinear-conv',
  'deconv',
  'pixel-shuffle',
  'gum',
  'spatial-attention',
  'carafe',
  'dysample',
];
