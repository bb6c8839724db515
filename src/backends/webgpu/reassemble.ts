// reassemble: out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c) or (n, c, h, w)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c) or (n, c, h*s, w*s); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
import even from '../../../shaders/reassemble-even.wgsl';
import odd from '../../../shaders/reassemble-odd.wgsl';
import planes from '../../../shaders/reassemble-planes.wgsl';
import scalar from '../../../shaders/reassemble-scalar.wgsl';
import vec4 from '../../../shaders/reassemble-vec4.wgsl';
import { type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import { Shader, type ShaderFile } from './shader.js';
import { type ConvInput, convInput } from './gemm.js';
import type { CommandList, GpuTensor } from './command-list.js';

// A binding has one type in a shader, hence texts instead of constants: what an invocation loads and stores, and how kernels are loaded.
const both = (unit: string, file: ShaderFile): { even: Shader; odd: Shader } => ({
  even: new Shader(`reassemble.${unit}-even`, file, even),
  odd: new Shader(`reassemble.${unit}-odd`, file, odd),
});
const SHADERS = { vec4: both('vec4', vec4), planes: both('planes', planes), scalar: both('scalar', scalar) };

export function reassemble(
  list: CommandList,
  features: GpuTensor,
  rows: GpuTensor,
  window: Window,
  padding: Padding,
  layout: Layout,
): GpuTensor {
  reassembleShape(features.shape, rows.shape, window, layout);
  return reassembleFrom(list, convInput(list, features), rows, window, padding, layout);
}

/** The features in their own layout; the result in `layout`, which is NCHW if theirs is. */
export function reassembleFrom(
  list: CommandList,
  { x, n, h, w, c: channels, layout: from }: ConvInput,
  rows: GpuTensor,
  window: Window,
  padding: Padding,
  layout: Layout,
): GpuTensor {
  const { scale, kUp, groups } = window;
  const toPlanes = layout === 'NCHW';
  const [height, width] = [h * scale, w * scale];
  const y = list.tensor(toPlanes ? [n, channels, height, width] : [n, height, width, channels], 'reassemble output');
  const unit = (channels / groups) % 4 === 0 ? 4 : 1; // a vector must not straddle two groups
  const c = channels / unit;
  const invocations = n * h * w * c;
  const shader = SHADERS[unit === 1 ? 'scalar' : toPlanes ? 'planes' : 'vec4'][scale % 2 === 0 ? 'even' : 'odd'];
  list.dispatch({
    shader,
    entryPoint: 'reassemble',
    constants: { SCALE: scale, PADDING: shader.constant(padding), PLANES: toPlanes ? 1 : 0 },
    params: {
      invocations,
      h,
      w,
      c,
      perGroup: c / groups,
      groups,
      kUp,
      imageStride: channels * h * w,
      pixelStride: from === 'NCHW' ? 1 : channels,
      channelStride: from === 'NCHW' ? h * w : 1,
    },
    inputs: [x, rows],
    outputs: [y],
    invocations,
    flops: 2 * n * height * width * channels * kUp * kUp,
  });
  return y;
}
