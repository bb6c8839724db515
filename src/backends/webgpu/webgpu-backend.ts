// The ops on a GPU: a program is recorded, then runs as one compute pass and one submit (more if it is long), and its result is read back.
// Any number of runs may be in flight, so that one is read back while the next computes. Every way a run can fail ends in a rejection with a CarafeError: 'OutOfMemory' (also above
// the device's limits), 'DeviceLost', 'Disposed', 'BackendUnavailable' (the driver refuses a shader); never in a hang or in zeros.
import type { Backend, ConvWeights, Ops } from '../backend.js';
import { CarafeError } from '../../core/errors.js';
import { fromHalf } from '../../core/half.js';
import { elements } from '../../core/tensor.js';
import { describeAdapter, isSoftwareAdapter } from './adapter.js';
import { carafePack } from './carafe-pack.js';
import { conv2d } from './conv2d.js';
import { deviceLost, guarded, mapModeRead, SharedDevice } from './device.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { DeviceMemory, type PooledBuffer } from './memory.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
import { pixelsToPlanes, planesToPixels } from './pixels.js';
import { reassembleSum } from './reassemble-sum.js';
import { reassemble } from './reassemble.js';
import { type GpuMode, type GpuPixels, type GpuTensor, Recording, type Resident } from './recording.js';
import { resize } from './resize.js';
import { GpuConv } from './weights.js';

export interface WebgpuBackendOptions {
  /** The device was opened for this backend alone: dispose() destroys it. By default it is borrowed and stays the caller's. */
  readonly destroyDevice?: boolean;
  /** Tensors are stored as f16 where the device has `shader-f16`; sums are f32. For programs whose results are bytes. Default false. */
  readonly half?: boolean;
  /** The kernels of real GPUs, by default on those: loads of vectors, memory shared in a workgroup. */
  readonly hardware?: boolean;
}

export type GpuOps = Ops<GpuTensor, GpuPixels, GpuConv>;

/** 18 ms of `base` on a GPU of 1 TFLOP/s; beside that a submit and the way of a result back to this thread are short. Software adapters have nothing to gain. */
const tilesPerBatch = 8;

/** @throws {CarafeError} DeviceLost if the device is gone already. */
export async function createWebgpuBackend(
  device: GPUDevice,
  { destroyDevice = false, half = false, hardware = !isSoftwareAdapter(device.adapterInfo) }: WebgpuBackendOptions = {},
): Promise<Backend> {
  const backend = new WebgpuBackend(device, destroyDevice, {
    half: half && device.features.has('shader-f16'),
    hardware,
  });
  await backend.settled();
  return backend;
}

class WebgpuBackend implements Backend<GpuTensor, GpuPixels, GpuConv> {
  readonly name = 'webgpu';
  readonly details: string;
  readonly batch: number;
  readonly #shared: SharedDevice;
  readonly #memory: DeviceMemory;
  readonly #convs = new Set<GpuConv>();
  readonly #pending = new Set<(error: CarafeError) => void>(); // rejects a run
  #recordings = 0; // being recorded or waiting to be submitted
  #ended: CarafeError | undefined; // lost or disposed
  readonly #device: GPUDevice;
  readonly #destroyDevice: boolean;
  readonly #mode: GpuMode;

  constructor(device: GPUDevice, destroyDevice: boolean, mode: GpuMode) {
    this.#device = device;
    this.#destroyDevice = destroyDevice;
    this.#mode = mode;
    this.#shared = SharedDevice.of(device);
    this.#memory = new DeviceMemory(device);
    this.batch = mode.hardware ? tilesPerBatch : 1;
    this.details = describeAdapter(device.adapterInfo) + (mode.half ? ', f16' : '');
    if (this.#shared.lost) this.#ended = this.#shared.lost;
    else this.#shared.onLost.add(this.#end);
  }

  /** One turn of the queue, so that a device lost before it came here is known to be. */
  async settled(): Promise<void> {
    await Promise.race([this.#device.lost, this.#device.queue.onSubmittedWorkDone().catch(() => {})]);
    this.#assertUsable();
  }

  conv(weights: ConvWeights): GpuConv {
    this.#assertUsable();
    const conv = new GpuConv(this.#device, this.#memory, weights);
    this.#convs.add(conv);
    return conv;
  }

  async run(program: (ops: GpuOps) => GpuTensor, into?: Float32Array): Promise<Float32Array> {
    let length = 0;
    const [bytes] = await this.#execute((ops) => {
      const result = program(ops);
      length = elements(result.shape);
      return [result];
    });
    const values = this.#mode.half
      ? Float32Array.from(new Uint16Array(bytes, 0, length), fromHalf)
      : new Float32Array(bytes);
    if (!into) return values;
    into.set(values);
    return into;
  }

  async runPixels(program: (ops: GpuOps) => readonly GpuPixels[]): Promise<Uint8ClampedArray[]> {
    const images = await this.#execute(program);
    return images.map((bytes) => new Uint8ClampedArray(bytes));
  }

  dispose(): void {
    this.#shared.onLost.delete(this.#end);
    this.#end(new CarafeError('Disposed', 'Expected a live webgpu backend, got one that was disposed'));
    this.#memory.dispose();
    for (const conv of this.#convs) conv.dispose();
    this.#convs.clear();
    if (this.#destroyDevice) this.#device.destroy();
  }

  /** Rejects everything pending, and everything to come. */
  readonly #end = (error: CarafeError): void => {
    this.#ended = error;
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
  };

  #assertUsable(): void {
    if (this.#ended) throw this.#ended;
  }

  /** The results' bytes. Rejects as soon as the backend ends: promises of a lost device need not settle. */
  async #execute(program: (ops: GpuOps) => readonly Resident[]): Promise<ArrayBuffer[]> {
    this.#assertUsable();
    let reject!: (error: CarafeError) => void;
    const ended = new Promise<never>((_, r) => {
      reject = r;
    });
    this.#pending.add(reject);
    try {
      return await Promise.race([ended, this.#work(program)]);
    } finally {
      this.#pending.delete(reject);
    }
  }

  async #work(program: (ops: GpuOps) => readonly Resident[]): Promise<ArrayBuffer[]> {
    const recording = new Recording(this.#device, this.#shared, this.#memory, this.#mode);
    let readback: PooledBuffer | undefined;
    try {
      const { results, bytes, mapped, errors, submitErrors } = await this.#submit(program, recording, (buffer) => {
        readback = buffer;
      });
      const error = (await errors) ?? (await submitErrors);
      if (error) throw error;
      const mapError = await mapped; // all of the run is done now
      if (mapError) throw await this.#lostOr(deviceLost(`the result could not be mapped: ${String(mapError)}`));
      this.#assertUsable();
      const range = readback!.gpu.getMappedRange(0, bytes);
      let end = 0;
      const copies = results.map((result) => range.slice(end, (end += result.bytes)));
      readback!.gpu.unmap();
      this.#memory.release(readback!);
      return copies;
    } catch (error) {
      // Whatever was held may be invalid or half mapped; nothing of it goes back to the pool.
      recording.discard();
      if (readback) this.#memory.discard(readback);
      this.#memory.forgetUniforms();
      if (error instanceof CarafeError && error.code === 'OutOfMemory') this.#memory.drop();
      throw this.#ended ?? error;
    }
  }

  /** Records, waits for what is not there yet, submits. In the steady state nothing is missing and all of it is synchronous. */
  async #submit(
    program: (ops: GpuOps) => readonly Resident[],
    recording: Recording,
    hold: (readback: PooledBuffer) => void,
  ) {
    this.#recordings++;
    try {
      const created = this.#memory.created;
      let readback!: PooledBuffer;
      let bytes = 0;
      const { value: results, errors } = guarded(this.#device, () => {
        const value = program(createOps(recording));
        bytes = value.reduce((sum, result) => sum + result.bytes, 0);
        readback = recording.readback(bytes);
        hold(readback);
        return value;
      });
      // A buffer that could not be created must not reach the pool, where other runs would find it.
      if (this.#memory.created !== created) await errors.then(throwIfAny);
      for (const upload of recording.uploads) await upload.then(throwIfAny);
      const compiling = recording.compiling();
      if (compiling.length > 0) {
        await Promise.all(compiling).catch(async (error: unknown) => {
          throw await this.#lostOr(
            new CarafeError(
              'BackendUnavailable',
              `Expected the GPU driver to compile the shaders, got: ${String(error)}`,
            ),
          );
        });
      }
      this.#assertUsable();
      const { value: mapped, errors: submitErrors } = guarded(this.#device, () => {
        for (const commands of recording.encode(results, readback)) this.#device.queue.submit([commands]);
        return readback.gpu.mapAsync(mapModeRead, 0, bytes).then(
          () => undefined,
          (error: unknown) => error,
        );
      });
      recording.release();
      return { results, bytes, mapped, errors, submitErrors };
    } finally {
      if (--this.#recordings === 0) this.#memory.trimUniforms();
    }
  }

  /** After a failure: the loss of the device if that is behind it, else `error`. */
  async #lostOr(error: CarafeError): Promise<CarafeError> {
    await this.#device.queue.onSubmittedWorkDone().catch(() => {});
    return this.#ended ?? error;
  }
}

/** The ops, recorded. */
export function createOps(recording: Recording): GpuOps {
  return {
    input: (data, shape) => recording.input(data, shape),
    inputPixels: ({ data, width, height }) => ({
      width,
      height,
      ...recording.upload(data, width * height * 4, 'image'),
    }),
    free: (...tensors) => {
      for (const x of tensors) recording.free(x);
    },
    nchwToNhwc: (...args) => nchwToNhwc(recording, ...args),
    nhwcToNchw: (...args) => nhwcToNchw(recording, ...args),
    conv2d: (...args) => conv2d(recording, ...args),
    pixelShuffle: (...args) => pixelShuffle(recording, ...args),
    pixelUnshuffle: (...args) => pixelUnshuffle(recording, ...args),
    normalizeKernels: (...args) => normalizeKernels(recording, ...args),
    reassemble: (...args) => reassemble(recording, ...args),
    carafePack: (...args) => carafePack(recording, ...args),
    reassembleSum: (...args) => reassembleSum(recording, ...args),
    resize: (...args) => resize(recording, ...args),
    pixelsToPlanes: (...args) => pixelsToPlanes(recording, ...args),
    planesToPixels: (...args) => planesToPixels(recording, ...args),
  };
}

function throwIfAny(error: CarafeError | undefined): void {
  if (error) throw error;
}
