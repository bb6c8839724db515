// The kernels that the learned CARAFE module predicts, for those who want to see them: compress -> encode -> normalizeKernels.
// The module whole is an op of its own (carafePack), which need not store them.
import { type CarafePack, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';

/** x [n, h, w, c] -> kernel rows [n, h, w, groups*kUp^2*scale^2], normalised. */
export function predictKernels(ops: Ops, pack: CarafePack, x: DeviceTensor): DeviceTensor {
  const compressed = pack.compress
    ? ops.conv2d(x, pack.compress, { ...PLAIN, activation: pack.activation, slope: pack.slope })
    : x;
  const rows = ops.conv2d(compressed, pack.encode, { ...PLAIN, dilation: pack.dilation });
  if (compressed !== x) ops.free(compressed);
  const kernels = ops.normalizeKernels(rows, pack, pack.normalizer);
  ops.free(rows);
  return kernels;
}
