// reassemble: out[n, y*s+sy, x*s+sx, c] = sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c); K = kUp^2, r = (kUp-1)/2, g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
import source from '../../../shaders/reassemble.wgsl';
import { type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import type { Shader } from './device.js';
import { type GpuTensor, type Recording, words } from './recording.js';

const shader: Shader = { name: 'reassemble', source };
const paddings: readonly Padding[] = ['zero', 'replicate', 'reflect']; // `override PADDING`

export function reassemble(recording: Recording, features: GpuTensor, rows: GpuTensor, window: Window, padding: Padding, layout: Layout): GpuTensor {
  const { scale, kUp, groups } = window;
  const planes = layout === 'NCHW';
  const [images, height, width, depth] = reassembleShape(features.shape, rows.shape, window);
  const y = recording.tensor(planes ? [images, depth, height, width] : [images, height, width, depth], 'reassemble output');
  const [n, h, w, channels] = features.shape;
  const unit = (channels / groups) % 4 === 0 ? 4 : 1; // a vector must not straddle two groups
  const c = channels / unit;
  const invocations = n * h * w * c;
  recording.dispatch({
    shader,
    entryPoint: `${unit === 4 ? 'vec4' : 'scalar'}${scale % 2 === 0 ? 'Even' : 'Odd'}${planes && unit === 4 ? 'Planes' : ''}`,
    constants: { SCALE: scale, PADDING: paddings.indexOf(padding), PLANES: planes ? 1 : 0 },
    reads: 2,
    writes: 1,
    params: words(invocations, h, w, c, c / groups, groups, kUp),
    inputs: [features, rows],
    outputs: [y],
    invocations,
  });
  return y;
}
