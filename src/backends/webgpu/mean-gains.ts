// meanGains: gains (a, b) for each source pixel, with which a * clamp(big, 0, 1) + b has the local means of `small`.
// big (n, h*s, w*s, 1)   small (n, h, w, 1)   gains (n, h, w, 2); the formula is in the shader.
import file from '../../../shaders/mean-gains.wgsl';
import { elements } from '../../core/tensor.js';
import { meanGainsShape } from '../../core/shapes.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { Shader } from './shader.js';

const SHADER = new Shader('mean-gains', file);

export function meanGains(list: CommandList, big: GpuTensor, small: GpuTensor): GpuTensor {
  const [, h, w] = small.shape;
  const invocations = elements(small.shape);
  const shared = { shader: SHADER, constants: {}, params: { invocations, h, w, scale: big.shape[1] / h }, invocations };
  const means = list.tensor(small.shape, 'means');
  list.dispatch({ ...shared, entryPoint: 'cellMeans', inputs: [big], outputs: [means] });
  const gains = list.tensor(meanGainsShape(small.shape), 'gains');
  list.dispatch({ ...shared, entryPoint: 'meanGains', inputs: [means, small], outputs: [gains] });
  list.free(means);
  return gains;
}
