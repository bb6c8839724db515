// Mask R-CNN's mask head: mmdetection's FCNMaskHead. 3x3 convolutions, the features enlarged twice, a 1x1 convolution to
// the logits of each class; a ReLU after the upsampler if it is a deconvolution.
import { type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import type { LoadedNetwork } from './loaded-network.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';
import { consume, loadDeconv, loadUpsampler } from './upsamplers.js';

export interface MaskHeadSettings {
  readonly upsampler: NetworkUpsampler;
}

/** @throws {CarafeError} ModelInvalid */
export function loadMaskHead(weights: StateDict, { upsampler: kind }: MaskHeadSettings): LoadedNetwork {
  const convs = Array.from({ length: weights.count((i) => `convs.${i}`) }, (_, i) => weights.conv(`convs.${i}`));
  const c = convs.at(-1)!.cOut;
  const upsampler =
    kind === 'deconv' ? loadDeconv(weights, 'upsample', c) : loadUpsampler(weights, 'upsample', kind, c);
  const logits = weights.conv('conv_logits', { k: 1 });
  const relu = { ...PLAIN, activation: 'relu' } as const;
  return {
    inputs: [convs[0].cIn],
    check() {},
    /** RoI features [n, h, w, c] -> logits [n, 2h, 2w, classes]. */
    run(ops: Ops, [x]: readonly DeviceTensor[]) {
      let features = ops.conv2d(x, convs[0], relu);
      for (const conv of convs.slice(1)) features = consume(ops, features, (h) => ops.conv2d(h, conv, relu));
      let big = consume(ops, features, (h) => upsampler(ops, h));
      if (kind === 'deconv') big = consume(ops, big, (h) => ops.arithmetic(h, 'maximum', 0));
      return [consume(ops, big, (h) => ops.conv2d(h, logits, PLAIN))];
    },
  };
}
