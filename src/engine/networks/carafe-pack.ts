// The learned CARAFE module: compress -> encode -> normalizeKernels -> reassemble.
// mmcv's CARAFEPack, XiaLiPKU's and the YOLO forks' (BN folded, `activation` after compress). CARAFE, arXiv:1905.02188, figure 2.
import type { Activation, Layout, Normalizer, Padding, Window } from '../../core/shapes.js';
import type { DeviceConv, DeviceTensor, Ops } from '../../backends/backend.js';

export interface CarafePack extends Window {
  readonly compress?: DeviceConv; // 1x1, c -> cMid; without it the encoder reads the features themselves
  readonly encode: DeviceConv; // kEnc x kEnc, cMid -> groups * kUp^2 * scale^2
  readonly activation: Activation; // after compress
  readonly slope: number; // of leaky-relu
  readonly dilation: number; // of encode
  readonly normalizer: Normalizer;
  readonly padding: Padding; // of the reassembly
}

/** x [n, h, w, c] -> kernel rows [n, h, w, groups*kUp^2*scale^2], normalised. */
export function predictKernels(ops: Ops, pack: CarafePack, x: DeviceTensor): DeviceTensor {
  const compressed = pack.compress ? ops.conv2d(x, pack.compress, { activation: pack.activation, slope: pack.slope }) : x;
  const rows = ops.conv2d(compressed, pack.encode, { dilation: pack.dilation });
  if (compressed !== x) ops.free(compressed);
  const kernels = ops.normalizeKernels(rows, pack, pack.normalizer);
  ops.free(rows);
  return kernels;
}

/** x [n, h, w, c] -> [n, h*scale, w*scale, c], or [n, c, h*scale, w*scale] in layout NCHW. */
export function upsample(ops: Ops, pack: CarafePack, x: DeviceTensor, layout: Layout): DeviceTensor {
  const kernels = predictKernels(ops, pack, x);
  const y = ops.reassemble(x, kernels, pack, pack.padding, layout);
  ops.free(kernels);
  return y;
}
