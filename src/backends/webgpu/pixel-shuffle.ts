// pixelShuffle: out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx]; pixelUnshuffle is its inverse.
// x (n, h, w, c*s*s)   out (n, h*s, w*s, c). torch.nn.PixelShuffle; the order of CARAFE's encoder channels.
import file from '../../../shaders/pixel-shuffle.wgsl';
import { pixelShuffleShape, pixelUnshuffleShape } from '../../core/shapes.js';
import { elements, type Shape } from '../../core/tensor.js';
import { Shader } from './shader.js';
import type { CommandList, GpuTensor } from './command-list.js';

const SHADER = new Shader('pixel-shuffle', file);

export function pixelShuffle(list: CommandList, x: GpuTensor, scale: number): GpuTensor {
  const shape = pixelShuffleShape(x.shape, scale);
  return shuffle(list, x, shape, x.shape, shape, scale, false);
}

export function pixelUnshuffle(list: CommandList, x: GpuTensor, scale: number): GpuTensor {
  const shape = pixelUnshuffleShape(x.shape, scale);
  return shuffle(list, x, shape, shape, x.shape, scale, true);
}

function shuffle(
  list: CommandList,
  x: GpuTensor,
  shape: Shape,
  rows: Shape,
  pixels: Shape,
  scale: number,
  inverse: boolean,
): GpuTensor {
  const y = list.tensor(shape, 'pixelShuffle output');
  const invocations = elements(shape);
  list.dispatch({
    shader: SHADER,
    entryPoint: 'shuffle',
    constants: { INVERSE: inverse ? 1 : 0 },
    params: { invocations, h: rows[1], w: rows[2], c: pixels[3], scale },
    inputs: [x],
    outputs: [y],
    invocations,
  });
  return y;
}
