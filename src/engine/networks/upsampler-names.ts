// The upsamplers that upsamplers.ts makes, for whoever asks for one: the page does not need the rest.
export const UPSAMPLERS = [
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
] as const;
export type UpsamplerName = (typeof UPSAMPLERS)[number];
