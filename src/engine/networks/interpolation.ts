// interpolation: enlargement by a kernel that knows nothing of the picture: whole pixels ("nearest"), Keys' cubic
// convolution with a = -0.5 ("bicubic", MATLAB's and PIL's), Lanczos with three lobes ("lanczos").
//   out[y*s+sy, x*s+sx] = sum_{ky,kx} weight[sy][ky] * weight[sx][kx] * in[y+ky-r, x+kx-r]
// That is a convolution from one channel to s^2 and a pixel shuffle, whose ops every backend has. Values are R, G, B
// and alpha as images of their own, the colours multiplied by alpha.
import { type Backend, type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import { expected } from '../../core/errors.js';
import { cubic } from '../../core/resize-taps.js';
import type { ModelFile } from '../../models/safetensors.js';

/** The `architecture` of its files, which have no tensors. */
export const INTERPOLATION = 'interpolation';

/** How far a kernel reaches in source pixels, and its value at a distance less than that. */
interface Kernel {
  readonly radius: number;
  at(distance: number): number;
}

const sinc = (t: number): number => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));

const KERNELS: Readonly<Record<string, Kernel>> = {
  nearest: { radius: 0, at: () => 1 },
  bicubic: { radius: 2, at: (t) => cubic(t, -0.5) },
  lanczos: { radius: 3, at: (t) => sinc(t) * sinc(t / 3) },
};

export interface Interpolation {
  readonly scale: number;
  readonly halo: number; // how many input pixels away an output reads
  readonly conv: DeviceConv;
}

/** @throws {CarafeError} ModelInvalid */
export function loadInterpolation(backend: Backend, { metadata }: ModelFile): Interpolation {
  const { kernel: name = '' } = metadata;
  if (!Object.hasOwn(KERNELS, name))
    throw expected(
      'ModelInvalid',
      'kernel',
      Object.keys(KERNELS)
        .map((known) => `"${known}"`)
        .join(', '),
      name,
    );
  const scale = Number(metadata.scale);
  if (!Number.isInteger(scale) || scale < 1 || scale > 8)
    throw expected('ModelInvalid', 'scale', 'an integer of 1..8', metadata.scale);
  const phases = Array.from({ length: scale }, (_, phase) => weightsOf(KERNELS[name], (phase + 0.5) / scale - 0.5));
  const k = phases[0].length;
  const weights = phases.flatMap((rows) =>
    phases.flatMap((columns) => rows.flatMap((row) => columns.map((column) => row * column))),
  );
  const conv = { weights: Float32Array.from(weights), cOut: scale ** 2, cIn: 1, k, exact: true };
  return { scale, halo: KERNELS[name].radius, conv: backend.conv(conv) };
}

/** Of the source pixels -radius..radius for a value at `offset` from the middle one; they add up to 1. */
function weightsOf({ radius, at }: Kernel, offset: number): number[] {
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) => {
    const distance = Math.abs(i - radius - offset);
    return distance < radius || radius === 0 ? at(distance) : 0;
  });
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** planes [n, h, w, 1] -> [n, h*scale, w*scale, 1], right from `halo` pixels off the border on. */
export function interpolate(ops: Ops, { conv, scale }: Interpolation, planes: DeviceTensor): DeviceTensor {
  return ops.pixelShuffle(ops.conv2d(planes, conv, PLAIN), scale);
}
