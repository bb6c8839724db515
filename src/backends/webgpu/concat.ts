// concat: the channels of several tensors, one after the other.
// (n, h, w, c1), (n, h, w, c2), ... -> (n, h, w, c1 + c2 + ...).
import file from '../../../shaders/concat.wgsl';
import { concatShape } from '../../core/shapes.js';
import { elements } from '../../core/tensor.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('concat', file);

export function concat(list: CommandList, ...xs: readonly GpuTensor[]): GpuTensor {
  const shape = concatShape(...xs.map((x) => x.shape));
  const y = list.tensor(shape, 'concat output');
  let first = 0;
  for (const x of xs) {
    const invocations = elements(x.shape);
    const c = x.shape[3];
    list.dispatch({
      shader: SHADER,
      entryPoint: 'concat',
      params: { invocations, c, first, channels: shape[3] },
      inputs: [x],
      outputs: [y],
      invocations,
    });
    first += c;
  }
  return y;
}
