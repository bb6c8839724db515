// The learned CARAFE module as people train it: compress -> encode -> normalizeKernels -> reassemble, mmcv's CARAFEPack
// and the variants whose convolutions are GhostConvs or that have one more after the reassembly. Where it is mmcv's it
// is one op, carafePack.
import { type CarafePack, type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import type { Layout } from '../../core/shapes.js';

/** A convolution; with `cheap`, GhostConv: act(cheap(y)) + y of y = act(conv(x)). */
export interface CarafeStage {
  readonly conv: DeviceConv;
  readonly cheap?: DeviceConv;
}

export interface CarafeStages extends Omit<CarafePack, 'compress' | 'encode'> {
  readonly compress?: CarafeStage;
  readonly encode: CarafeStage;
  readonly out?: CarafeStage;
}

/** x [n, h, w, c] -> kernel rows [n, h, w, groups*kUp^2*scale^2], normalised. */
export function predictKernels(ops: Ops, module: CarafeStages, x: DeviceTensor): DeviceTensor {
  const { activation, slope, dilation } = module;
  const compressed = module.compress ? run(ops, x, module.compress, { ...PLAIN, activation, slope }) : x;
  const rows = run(
    ops,
    compressed,
    module.encode,
    module.encode.cheap ? { dilation, activation, slope } : { ...PLAIN, dilation },
  );
  if (compressed !== x) ops.free(compressed);
  const kernels = ops.normalizeKernels(rows, module, module.normalizer);
  ops.free(rows);
  return kernels;
}

/**
 * x (n, c, h, w), or (n, h, w, c) in layout NHWC, -> the same with h*scale and w*scale, and out's channels if there is
 * one.
 */
export function upsample(ops: Ops, module: CarafeStages, x: DeviceTensor, layout: Layout): DeviceTensor {
  const { compress, encode, out, activation, slope } = module;
  const pack =
    compress?.cheap || encode.cheap ? undefined : { ...module, compress: compress?.conv, encode: encode.conv };
  if (pack && !out) return ops.carafePack(x, pack, layout);
  const features = layout === 'NHWC' ? x : ops.nchwToNhwc(x);
  let y: DeviceTensor;
  if (pack) y = ops.carafePack(features, pack, 'NHWC');
  else {
    const kernels = predictKernels(ops, module, features);
    y = ops.reassemble(features, kernels, module, module.padding, 'NHWC');
    ops.free(kernels);
  }
  if (out) {
    const mixed = run(ops, y, out, out.cheap ? { ...PLAIN, activation, slope } : PLAIN);
    ops.free(y);
    y = mixed;
  }
  return layout === 'NHWC' ? y : ops.nhwcToNchw(y);
}

/** How many pixels of x on each side of its own an output depends on. */
export function reachOf({ compress, encode, out, kUp, dilation, scale }: CarafeStages): number {
  const radius = (stage: CarafeStage | undefined): number =>
    stage ? (stage.conv.k - 1 + (stage.cheap ? stage.cheap.k - 1 : 0)) / 2 : 0;
  return Math.max((kUp - 1) / 2, radius(compress) + radius(encode) * dilation) + Math.ceil(radius(out) / scale);
}

function run(
  ops: Ops,
  x: DeviceTensor,
  { conv, cheap }: CarafeStage,
  options: Parameters<Ops['conv2d']>[2],
): DeviceTensor {
  const y = ops.conv2d(x, conv, options);
  if (!cheap) return y;
  const both = ops.conv2d(y, cheap, { ...options, dilation: 1, residual: y });
  ops.free(y);
  return both;
}
