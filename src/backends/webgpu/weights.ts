// Convolution parameters on the GPU, as gemm.wgsl reads them: row 0 the bias, then a row for each tap and input channel, of cOut values in
// vectors of 4. Both channel counts are padded with zeros to whole vectors; so may be every `subs` output channels, for kernels of 9 sub-pixels.
import type { ConvWeights, DeviceConv } from '../backend.js';
import type { CarafeError } from '../../core/errors.js';
import type { BufferPool, Storage } from './buffer-pool.js';
import { asked, guarded, USAGE } from './device.js';

/** Convolution parameters, in an order that gemm.wgsl reads. */
export interface PackedWeights extends Storage {
  readonly coVectors: number; // vectors of 4 output channels in a row
  /** What went wrong when they were uploaded; undefined once it is known that nothing did. */
  uploading: Promise<CarafeError | undefined> | undefined;
}

export class GpuConv implements DeviceConv {
  readonly cOut: number;
  readonly cIn: number;
  readonly k: number;
  readonly #weights: ConvWeights;
  readonly #packings = new Map<number, PackedWeights>(); // by the channels that are padded together
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;

  constructor(device: GPUDevice, pool: BufferPool, weights: ConvWeights) {
    this.#device = device;
    this.#pool = pool;
    const { cOut, cIn, k, bias } = weights;
    [this.cOut, this.cIn, this.k] = [cOut, cIn, k];
    this.#weights = { ...weights, weights: weights.weights.slice(), ...(bias && { bias: bias.slice() }) };
    this.packed();
  }

  /** Output channels padded to whole vectors, in runs of `subs`. */
  packed(subs = this.cOut): PackedWeights {
    const run = subs % 4 === 0 ? this.cOut : subs; // whole vectors need no padding between them
    let packing = this.#packings.get(run);
    if (!packing) this.#packings.set(run, (packing = this.#upload(run)));
    return packing;
  }

  dispose(): void {
    for (const { buffer } of this.#packings.values()) buffer.gpu.destroy();
    this.#packings.clear();
  }

  #upload(run: number): PackedWeights {
    const data = packWeights(this.#weights, run);
    this.#pool.check(data.byteLength, 'weights');
    const { value: gpu, errors } = guarded(this.#device, () =>
      asked(() => {
        const buffer = this.#device.createBuffer({
          label: 'carafe weights',
          size: data.byteLength,
          usage: USAGE.storage | USAGE.copyDst,
        });
        this.#device.queue.writeBuffer(buffer, 0, data);
        return buffer;
      }),
    );
    const packing: PackedWeights = {
      buffer: { gpu },
      bytes: data.byteLength,
      coVectors: rowVectors(this.cOut, run),
      uploading: errors,
    };
    void errors.then((error) => {
      if (!error) packing.uploading = undefined;
    });
    return packing;
  }
}

function rowVectors(cOut: number, run: number): number {
  return (cOut / run) * Math.ceil(run / 4);
}

/** (1 + k*k*ceil(cIn / 4)*4, rowVectors * 4) */
export function packWeights({ weights, bias, cOut, cIn, k }: ConvWeights, run: number): Float32Array<ArrayBuffer> {
  const row = rowVectors(cOut, run) * 4;
  const padded = Math.ceil(run / 4) * 4;
  const taps = k * k;
  const rowsIn = Math.ceil(cIn / 4) * 4;
  const data = new Float32Array((1 + taps * rowsIn) * row);
  for (let co = 0; co < cOut; co++) {
    const column = Math.floor(co / run) * padded + (co % run);
    if (bias) data[column] = bias[co];
    for (let ci = 0; ci < cIn; ci++) {
      for (let tap = 0; tap < taps; tap++)
        data[(1 + tap * rowsIn + ci) * row + column] = weights[(co * cIn + ci) * taps + tap];
    }
  }
  return data;
}
