// colourLines: along which line the colours around a source pixel lie, and between which bounds.
// pixels (h, w)   luma (1 or 2, h, w, 1)   chroma (1, h, w, 2) -> slopes (1, h, w, 2), low and high (h, w); the
// formulas are in the shader.
import file from '../../../shaders/colour-lines.wgsl';
import type { ColourLines } from '../backend.js';
import type { CommandList, GpuPixels, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('colour-lines', file);

export function colourLines(
  list: CommandList,
  pixels: GpuPixels,
  luma: GpuTensor,
  chroma: GpuTensor,
): ColourLines<GpuTensor, GpuPixels> {
  const { width, height } = pixels;
  const slopes = list.tensor([1, height, width, 2], 'slopes');
  const [low, high] = [list.pixels(width, height, 'low'), list.pixels(width, height, 'high')];
  list.dispatch({
    shader: SHADER,
    entryPoint: 'colourLines',
    constants: {},
    params: { pixels: width * height, h: height, w: width },
    inputs: [pixels, luma, chroma],
    outputs: [slopes, low, high],
    invocations: width * height,
  });
  return { slopes, low, high };
}
