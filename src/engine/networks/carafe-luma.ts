// carafe-luma: the image upscaler. A small convolutional body predicts, for each of `groups` groups, a map at the
// input's resolution
// and the kernels that reassemble it; the reassembled maps are summed onto the bicubic enlargement. Luma only; chroma
// is bicubic.
//   h = act(head(y)); for each body convolution: h = act(body_i(h)) + h
//   out = bicubic(y) + sum_g reassemble(maps(h)_g, softmax(encode(compress(h)))_g)
// where compress is CARAFE's, without bias or activation: 1x1 to cMid channels; absent if cMid is 0.
// Trained by training/; the tensors' names and the metadata are those of the .safetensors file.
import { expected } from '../../core/errors.js';
import { rowLength, type Window } from '../../core/shapes.js';
import {
  type Backend,
  type DeviceConv,
  type DevicePixels,
  type DeviceTensor,
  type Ops,
  PLAIN,
} from '../../backends/backend.js';
import type { ModelFile } from '../../models/safetensors.js';

export interface CarafeLuma<Conv extends DeviceConv = DeviceConv> extends Window {
  readonly slope: number;
  readonly halo: number; // receptive-field radius in input pixels
  readonly reach: number; // how far away an input pixel may change the bits of an output
  readonly head: Conv; // 3x3, 1 -> channels
  readonly body: readonly Conv[]; // 3x3, channels -> channels
  readonly compress?: Conv; // 1x1, channels -> cMid
  readonly encode: Conv; // 1x1, cMid or channels -> groups * kUp^2 * scale^2
  readonly maps: Conv; // 3x3, channels -> groups
}

const LIMITS = { scale: 8, channels: 256, cMid: 256, body: 64, groups: 64, kUp: 15 };

/** Checks the file against its own metadata and packs the weights. @throws {CarafeError} ModelInvalid. */
export function loadCarafeLuma<Conv extends DeviceConv>(
  backend: Pick<Backend<DeviceTensor, DevicePixels, Conv>, 'conv'>,
  model: ModelFile,
): CarafeLuma<Conv> {
  const { architecture } = model.metadata;
  if (architecture !== 'carafe-luma') throw expected('ModelInvalid', 'architecture', '"carafe-luma"', architecture);
  const setting = (name: keyof typeof LIMITS): number => {
    const value = Number(model.metadata[name]);
    if (!Number.isInteger(value) || value < 1 || value > LIMITS[name])
      throw expected('ModelInvalid', name, `an integer of 1..${LIMITS[name]}`, model.metadata[name]);
    return value;
  };
  const window = { scale: setting('scale'), kUp: setting('kUp'), groups: setting('groups') };
  if (window.kUp % 2 === 0) throw expected('ModelInvalid', 'kUp', 'an odd integer', window.kUp);
  const slope = Number(model.metadata.slope);
  if (!Number.isFinite(slope)) throw expected('ModelInvalid', 'slope', 'a number', model.metadata.slope);
  const { skip } = model.metadata; // what a body convolution is added to
  if (skip !== 'input') throw expected('ModelInvalid', 'skip', '"input"', skip);
  const channels = setting('channels');
  const bodyLength = setting('body');
  const cMid = (model.metadata.cMid ?? '0') === '0' ? 0 : setting('cMid');
  const conv = (
    name: string,
    cOut: number,
    cIn: number,
    k: number,
    bias = values(model, `${name}.bias`, [cOut]),
  ): Conv =>
    backend.conv({
      weights: values(model, `${name}.weights`, [cOut, cIn, k, k]),
      bias,
      cOut,
      cIn,
      k,
    });
  const head = conv('head', channels, 1, 3);
  const body = Array.from({ length: bodyLength }, (_, i) => conv(`body.${i}`, channels, channels, 3));
  const maps = conv('maps', window.groups, channels, 3);
  const r = (window.kUp - 1) / 2;
  return {
    ...window,
    slope,
    halo: 1 + bodyLength + 1 + r,
    reach: [head, ...body, maps].reduce((sum, { k, reach = (k - 1) / 2 }) => sum + reach, r),
    head,
    body,
    ...(cMid > 0 && { compress: conv('compress', cMid, channels, 1, new Float32Array(cMid)) }),
    encode: conv('encode', rowLength(window), cMid || channels, 1),
    maps,
  };
}

/** All that it holds of the backend. */
export function convsOf({ head, body, compress, encode, maps }: CarafeLuma): DeviceConv[] {
  return [head, ...body, ...(compress ? [compress] : []), encode, maps];
}

function values(model: ModelFile, name: string, shape: number[]): Float32Array {
  const tensor = model.tensors.get(name);
  if (!tensor) throw expected('ModelInvalid', name, `a tensor of shape [${shape}]`, 'none of that name');
  if (tensor.shape.join() !== shape.join()) throw expected('ModelInvalid', name, `shape [${shape}]`, tensor.shape);
  if (!tensor.data.every(Number.isFinite)) throw expected('ModelInvalid', name, 'finite values', 'some that are not');
  return tensor.data;
}

/** y [n, h, w, 1] -> [n, h*scale, w*scale, 1], and its bicubic part; right from `halo` pixels off the border on. */
export function upscaleLuma(ops: Ops, net: CarafeLuma, y: DeviceTensor): { luma: DeviceTensor; base: DeviceTensor } {
  const act = { ...PLAIN, activation: 'leaky-relu', slope: net.slope } as const;
  const [, height, width] = y.shape;
  let h = ops.conv2d(y, net.head, act);
  for (const conv of net.body) {
    const next = ops.conv2d(h, conv, { ...act, residual: h });
    ops.free(h);
    h = next;
  }
  const maps = ops.conv2d(h, net.maps, PLAIN);
  const base = ops.resize(y, height * net.scale, width * net.scale, 'bicubic', -0.5);
  const compressed = net.compress ? ops.conv2d(h, net.compress, PLAIN) : h;
  const luma = ops.reassembleSum(maps, compressed, net.encode, base, net);
  ops.free(maps, h, compressed);
  return { luma, base };
}
