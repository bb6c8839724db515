// The convolution that takes gradients of a convolution's result to gradients of its input: mirrored windows, inputs
// and outputs exchanged, no bias. With the same dilation and zero padding; torch.nn.grad.conv2d_input.
import type { ConvWeights } from './backend.js';

export function transposedConv({ weights, cOut, cIn, k }: ConvWeights): ConvWeights {
  const taps = k * k;
  const mirrored = new Float32Array(weights.length);
  for (let co = 0; co < cOut; co++) {
    for (let ci = 0; ci < cIn; ci++) {
      for (let tap = 0; tap < taps; tap++)
        mirrored[(ci * cOut + co) * taps + taps - 1 - tap] = weights[(co * cIn + ci) * taps + tap];
    }
  }
  return { weights: mirrored, cOut: cIn, cIn: cOut, k };
}
