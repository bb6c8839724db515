// carafePack: the learned module whole: reassemble(x, normalizeKernels(conv2d(activation(conv2d(x, compress)), encode, dilation)), window, padding)
// x (n, c, h, w) -> (n, c, h*s, w*s), or (n, h, w, c) -> (n, h*s, w*s, c); compress is optional, a 1x1 convolution c -> cMid.
// On a real GPU three dispatches: compress (conv2d.wgsl) reads x in its layout, carafe-pack.wgsl encodes and normalises, reassemble.wgsl reads and
// writes the caller's layout; a software adapter, which has no use for workgroup memory, encodes (conv2d.wgsl) and normalises in two. Between them cMid, padded to whole vectors, and the kernels are stored; no copy of x in another layout, no logits.
import { type CarafePack, PLAIN } from '../backend.js';
import type { Layout } from '../../core/shapes.js';
import source from '../../../shaders/carafe-pack.wgsl';
import normalizer from '../../../shaders/normalizer.wgsl';
import { convolve } from './conv2d.js';
import type { Shader } from './device.js';
import { type ConvInput, convFlops, convInput, convWords, gemm, rowTiles } from './gemm.js';
import { normalizeKernels, normalizers } from './normalize-kernels.js';
import { reassembleFrom } from './reassemble.js';
import { type GpuTensor, type Recording, words } from './recording.js';
import type { GpuConv } from './weights.js';

const shader: Shader = { name: 'carafe-pack', source: gemm + normalizer + source };
const mostTaps = 49; // carafe-pack.wgsl: what fits a workgroup's memory
const tilesOfWorkgroup = 4;

export function carafePack(recording: Recording, x: GpuTensor, module: CarafePack<GpuConv>, layout: Layout): GpuTensor {
  const features = convInput(recording, x, layout);
  let middle = features;
  if (module.compress) {
    const compress = module.compress;
    const { n, h, w } = features;
    const y = recording.tensor([n, h, w, Math.ceil(compress.cOut / 4) * 4], 'compressed features');
    middle = convInput(
      recording,
      convolve(recording, features, compress, y, { ...PLAIN, activation: module.activation, slope: module.slope }),
    );
  }
  const kernels = encodeKernels(recording, middle, module);
  if (middle !== features) recording.free(middle.x);
  const y = reassembleFrom(recording, features, kernels, module, module.padding, layout);
  recording.free(kernels);
  return y;
}

/** x -> kernel rows (n, h, w, groups*kUp^2*s^2), normalised. */
function encodeKernels(
  recording: Recording,
  input: ConvInput,
  { encode: conv, dilation, normalizer: kind, ...window }: CarafePack<GpuConv>,
): GpuTensor {
  const { scale, kUp, groups } = window;
  const { n, h, w } = input;
  const taps = kUp * kUp;
  const rows = recording.tensor([n, h, w, conv.cOut], 'kernels');
  if (!input.vectors || taps > mostTaps) {
    convolve(recording, input, conv, rows, { ...PLAIN, dilation });
    const kernels = normalizeKernels(recording, rows, window, kind);
    recording.free(rows);
    return kernels;
  }
  const subs = scale * scale;
  const columns = groups * Math.ceil(subs / 4);
  const weights = conv.packed(subs);
  recording.uploading(weights);
  const workgroups = Math.ceil((n * h * rowTiles(w)) / tilesOfWorkgroup) * columns;
  recording.dispatch({
    shader,
    entryPoint: scale % 2 === 0 ? 'packEven' : 'packOdd',
    constants: { SCALE: scale, TAPS: taps, NORMALIZER: normalizers.indexOf(kind), ...(kUp <= 3 && { WORKGROUP: 32 }) },
    reads: 2,
    writes: 1,
    params: words(...convWords(input, conv, weights, dilation, workgroups), columns),
    inputs: [input.x, weights],
    outputs: [rows],
    workgroups,
    flops: convFlops(input, conv),
  });
  return rows;
}
