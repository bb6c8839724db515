// The gradients' executable specification: plain loops, f64 sums, results stored as f32.
import type { ConvWeights } from '../backend.js';
import type { GradientBackend, GradientOps } from '../gradients.js';
import type { Tensor } from '../../core/tensor.js';
import { activationGradient } from './activation-gradient.js';
import { conv2dGradient } from './conv2d-gradient.js';
import { normalizerGradient } from './normalizer-gradient.js';
import { reassembleGradient } from './reassemble-gradient.js';
import { referenceOps } from './reference-backend.js';

const ops: GradientOps<Tensor, ConvWeights> = {
  ...referenceOps,
  reassembleGradient,
  normalizerGradient,
  activationGradient,
  conv2dGradient,
};

export function createReferenceGradients(): GradientBackend<Tensor, ConvWeights> {
  return {
    name: 'reference',
    conv: (weights) => weights,
    run: async (program) => program(ops).map(({ data, shape }) => ({ data: data.slice(), shape })),
    dispose: () => {},
  };
}
