// carafePack: the learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is optional, a 1x1 convolution c -> cMid.
// On a real GPU three dispatches: compress (conv2d.wgsl) reads x in its layout, carafe-pack.wgsl encodes and normalises, reassemble.wgsl reads and
// writes the caller's layout; a software adapter, which has no use for workgroup memory, encodes (conv2d.wgsl) and normalises in two. Between them cMid, padded to whole vectors, and the kernels are stored; no copy of x in another layout, no logits.
import { type CarafePack, PLAIN } from '../backend.js';
import type { Layout } from '../../core/shapes.js';
import file from '../../../shaders/carafe-pack.wgsl';
import { convolve } from './conv2d.js';
import { Shader } from './shader.js';
import { type ConvInput, convFlops, convInput, convParams, rowTiles } from './gemm.js';
import { normalizeKernels } from './normalize-kernels.js';
import { reassembleFrom } from './reassemble.js';
import type { CommandList, GpuTensor } from './command-list.js';
import type { GpuConv } from './weights.js';

const SHADER = new Shader('carafe-pack', file);

export function carafePack(list: CommandList, x: GpuTensor, module: CarafePack<GpuConv>, layout: Layout): GpuTensor {
  const features = convInput(list, x, layout);
  let middle = features;
  if (module.compress) {
    const compress = module.compress;
    const { n, h, w } = features;
    const y = list.tensor([n, h, w, Math.ceil(compress.cOut / 4) * 4], 'compressed features');
    middle = convInput(
      list,
      convolve(list, features, compress, y, { ...PLAIN, activation: module.activation, slope: module.slope }),
    );
  }
  const kernels = encodeKernels(list, middle, module);
  if (middle !== features) list.free(middle.x);
  const y = reassembleFrom(list, features, kernels, module, module.padding, layout);
  list.free(kernels);
  return y;
}

/** x -> kernel rows (n, h, w, groups*kUp^2*s^2), normalised. */
function encodeKernels(
  list: CommandList,
  input: ConvInput,
  { encode: conv, dilation, normalizer: kind, ...window }: CarafePack<GpuConv>,
): GpuTensor {
  const { scale, kUp, groups } = window;
  const { n, h, w } = input;
  const taps = kUp * kUp;
  const rows = list.tensor([n, h, w, conv.cOut], 'kernels');
  if (!input.vectors || taps > SHADER.constant('MAX_TAPS')) {
    convolve(list, input, conv, rows, { ...PLAIN, dilation });
    const kernels = normalizeKernels(list, rows, window, kind);
    list.free(rows);
    return kernels;
  }
  const subs = scale * scale;
  const columns = groups * Math.ceil(subs / 4);
  const weights = conv.packed(subs);
  list.uses(weights);
  const workgroups = Math.ceil((n * h * rowTiles(w)) / (SHADER.constant('PIXELS') / 4)) * columns;
  list.dispatch({
    shader: SHADER,
    entryPoint: scale % 2 === 0 ? 'packEven' : 'packOdd',
    constants: { SCALE: scale, TAPS: taps, NORMALIZER: SHADER.constant(kind), ...(kUp <= 3 && { WORKGROUP: 32 }) },
    params: { conv: convParams(input, conv, weights, dilation, workgroups), columns },
    inputs: [input.x, weights],
    outputs: [rows],
    workgroups,
    flops: convFlops(input, conv),
  });
  return rows;
}
