// pixelShuffle: out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx]; pixelUnshuffle is its inverse.
// x (n, h, w, c*s*s)   out (n, h*s, w*s, c). torch.nn.PixelShuffle; the order of CARAFE's encoder channels.
import source from '../../../shaders/pixel-shuffle.wgsl';
import { pixelShuffleShape, pixelUnshuffleShape } from '../../core/shapes.js';
import { elements, type Shape } from '../../core/tensor.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'pixel-shuffle', source };

export function pixelShuffle(recording: Recording, x: GpuTensor, scale: number): GpuTensor {
  const shape = pixelShuffleShape(x.shape, scale);
  return shuffle(recording, x, shape, x.shape, shape, scale, false);
}

export function pixelUnshuffle(recording: Recording, x: GpuTensor, scale: number): GpuTensor {
  const shape = pixelUnshuffleShape(x.shape, scale);
  return shuffle(recording, x, shape, shape, x.shape, scale, true);
}

function shuffle(
  recording: Recording,
  x: GpuTensor,
  shape: Shape,
  rows: Shape,
  pixels: Shape,
  scale: number,
  inverse: boolean,
): GpuTensor {
  const y = recording.tensor(shape, 'pixelShuffle output');
  const invocations = elements(shape);
  recording.dispatch({
    shader,
    entryPoint: 'shuffle',
    constants: { INVERSE: inverse ? 1 : 0 },
    reads: 1,
    writes: 1,
    params: words(invocations, rows[1], rows[2], pixels[3], scale),
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}
