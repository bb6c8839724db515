// reassemble: out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c) or (n, c, h, w)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c) or (n, c, h*s, w*s); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
import even from '../../../shaders/reassemble-even.wgsl';
import odd from '../../../shaders/reassemble-odd.wgsl';
import planes from '../../../shaders/reassemble-planes.wgsl';
import scalar from '../../../shaders/reassemble-scalar.wgsl';
import vec4 from '../../../shaders/reassemble-vec4.wgsl';
import source from '../../../shaders/reassemble.wgsl';
import { type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import type { Shader } from './device.js';
import { type ConvInput, convInput } from './gemm.js';
import { type GpuTensor, type Recording, words } from './recording.js';

// A binding has one type in a shader, hence texts instead of constants: what an invocation loads and stores, and how kernels are loaded.
const units = { vec4, planes, scalar };
const parities = { even, odd };
const shaderOf = (unit: keyof typeof units, parity: keyof typeof parities): Shader => ({
  name: `reassemble.${unit}-${parity}`,
  source: units[unit] + parities[parity] + source,
});
const paddings: readonly Padding[] = ['zero', 'replicate', 'reflect']; // `override PADDING`

export function reassemble(
  recording: Recording,
  features: GpuTensor,
  rows: GpuTensor,
  window: Window,
  padding: Padding,
  layout: Layout,
): GpuTensor {
  reassembleShape(features.shape, rows.shape, window, layout);
  return reassembleFrom(recording, convInput(recording, features), rows, window, padding, layout);
}

/** The features in their own layout; the result in `layout`, which is NCHW if theirs is. */
export function reassembleFrom(
  recording: Recording,
  { x, n, h, w, c: channels, layout: from }: ConvInput,
  rows: GpuTensor,
  window: Window,
  padding: Padding,
  layout: Layout,
): GpuTensor {
  const { scale, kUp, groups } = window;
  const toPlanes = layout === 'NCHW';
  const [height, width] = [h * scale, w * scale];
  const y = recording.tensor(
    toPlanes ? [n, channels, height, width] : [n, height, width, channels],
    'reassemble output',
  );
  const unit = (channels / groups) % 4 === 0 ? 4 : 1; // a vector must not straddle two groups
  const c = channels / unit;
  const invocations = n * h * w * c;
  const strides = from === 'NCHW' ? [channels * h * w, 1, h * w] : [channels * h * w, channels, 1];
  recording.dispatch({
    shader: shaderOf(unit === 1 ? 'scalar' : toPlanes ? 'planes' : 'vec4', scale % 2 === 0 ? 'even' : 'odd'),
    entryPoint: 'reassemble',
    constants: { SCALE: scale, PADDING: paddings.indexOf(padding), PLANES: toPlanes ? 1 : 0 },
    reads: 2,
    writes: 1,
    params: words(invocations, h, w, c, c / groups, groups, kUp, ...strides),
    inputs: [x, rows],
    outputs: [y],
    invocations,
    flops: 2 * n * height * width * channels * kUp * kUp,
  });
  return y;
}
