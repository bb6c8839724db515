// What one program does, written down: dispatches with their buffers and uniforms, in order. Nothing runs until it is encoded.
// A buffer that an op freed may hold the output of a later op (dispatches run in order), but never an upload: uploads all happen
// before the first dispatch. Every op writes every value of its output and binds no byte more, so what a pooled buffer held
// before can never be read.
import type { DevicePixels, DeviceTensor } from '../backend.js';
import type { CarafeError } from '../../core/errors.js';
import { toHalves } from '../../core/half.js';
import { elements, type Shape } from '../../core/tensor.js';
import type { Kernel, Pipeline, SharedDevice } from './device.js';
import type { BufferKind, DeviceMemory, PooledBuffer } from './memory.js';

/** Part of a buffer from its start: `bytes` are used. */
export interface Storage {
  readonly buffer: { readonly gpu: GPUBuffer };
  readonly bytes: number;
}

/** Convolution parameters, in an order that gemm.wgsl reads. */
export interface PackedWeights extends Storage {
  readonly coVectors: number; // vectors of 4 output channels in a row
  /** What went wrong when they were uploaded; undefined once it is known that nothing did. */
  uploading: Promise<CarafeError | undefined> | undefined;
}

/** A resident value of one recording: a tensor or an image. */
export interface Resident extends Storage {
  readonly buffer: PooledBuffer;
  freed: boolean;
}

export interface GpuTensor extends DeviceTensor, Resident {}
export interface GpuPixels extends DevicePixels, Resident {}

export interface Dispatch extends Kernel {
  /** struct Params of the shader, as its 32-bit words; see words(). */
  readonly params: Uint32Array;
  readonly inputs: readonly Storage[];
  readonly outputs: readonly Storage[];
  /** Invocations the shader needs, at least; it checks the bounds itself. Or, where invocations share memory, workgroups. */
  readonly invocations?: number;
  readonly workgroups?: number;
  /** Floating point operations, 2 for a multiply-add, where they are worth counting. */
  readonly flops?: number;
}

interface Recorded {
  readonly work: Dispatch;
  readonly pipeline: Pipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/** How a backend computes on its device. */
export interface GpuMode {
  /** Tensors are stored as f16; weights stay f32: they are a thousandth of what a tile moves, and sums are f32. */
  readonly half: boolean;
  /** A real GPU: loads are vectors and workgroups share what they fetch. On software adapters barriers cost ten times what they save. */
  readonly hardware: boolean;
}

/** Of one submit: 50 ms on a GPU of 1 TFLOP/s, far from the watchdogs that reset slow ones. A tile of 256 of `base` is 2.2e9. */
const mostFlops = 5e10;

/** Invocations in a workgroup: the default of `override WORKGROUP` in every shader. */
const workgroup = 64;

export class Recording {
  /** Weights whose upload is not known to have worked. */
  readonly uploads = new Set<Promise<CarafeError | undefined>>();
  readonly dispatches: Recorded[] = [];
  readonly #held = new Set<PooledBuffer>();
  readonly #reusable: PooledBuffer[] = [];
  readonly #device: GPUDevice;
  readonly #shared: SharedDevice;
  readonly #memory: DeviceMemory;
  readonly #mode: GpuMode;

  constructor(device: GPUDevice, shared: SharedDevice, memory: DeviceMemory, mode: GpuMode) {
    this.#device = device;
    this.#shared = shared;
    this.#memory = memory;
    this.#mode = mode;
  }

  get hardware(): boolean {
    return this.#mode.hardware;
  }

  uploading({ uploading }: PackedWeights): void {
    if (uploading) this.uploads.add(uploading);
  }

  /** An uninitialised tensor, for an op that writes all of it. */
  tensor(shape: Shape, what: string): GpuTensor {
    const bytes = Math.ceil((elements(shape) * (this.#mode.half ? 2 : 4)) / 4) * 4; // bindings and copies are whole words
    return { shape, buffer: this.#output(bytes, what), bytes, freed: false };
  }

  /** An uninitialised image, for an op that writes all of it. */
  pixels(width: number, height: number, what: string): GpuPixels {
    const bytes = width * height * 4;
    return { width, height, buffer: this.#output(bytes, what), bytes, freed: false };
  }

  input(data: Float32Array, shape: Shape): GpuTensor {
    if (!this.#mode.half) return { shape, ...this.upload(data, elements(shape) * 4, 'input') };
    const halves = new Uint16Array(Math.ceil(data.length / 2) * 2);
    halves.set(toHalves(data));
    return { shape, ...this.upload(halves, halves.byteLength, 'input') };
  }

  upload(data: Float32Array | Uint16Array | Uint8ClampedArray, bytes: number, what: string): Resident {
    const buffer = this.#acquire(bytes, 'storage', what);
    this.#device.queue.writeBuffer(buffer.gpu, 0, data.buffer as ArrayBuffer, data.byteOffset, bytes);
    return { buffer, bytes, freed: false };
  }

  free(value: Resident): void {
    if (value.freed) return;
    value.freed = true;
    this.#reusable.push(value.buffer);
  }

  dispatch(work: Dispatch): void {
    const bound = [...work.inputs, ...work.outputs];
    if (bound.some((storage) => (storage as Partial<Resident>).freed))
      throw new Error(`Expected live tensors for "${work.shader.name}", got one that was freed`);
    const resources = [
      { buffer: this.#memory.uniform(work.params) },
      ...bound.map(({ buffer, bytes }) => ({ buffer: buffer.gpu, size: bytes })),
    ];
    const groups = work.workgroups ?? Math.ceil(work.invocations! / workgroup);
    const rows = Math.ceil(groups / this.#device.limits.maxComputeWorkgroupsPerDimension);
    this.dispatches.push({
      work,
      pipeline: this.#shared.pipeline(work, this.#mode.half),
      bindGroup: this.#memory.bindGroup(
        this.#shared.bindGroupLayout(work.reads, work.writes),
        `${work.reads},${work.writes}`,
        resources,
      ),
      workgroups: [Math.ceil(groups / rows), rows],
    });
  }

  /** A buffer for the host to read `bytes` from; released by whoever maps it. */
  readback(bytes: number): PooledBuffer {
    return this.#memory.acquire(bytes, 'readback', 'the result');
  }

  /** Pipelines that are still being compiled. */
  compiling(): Promise<GPUComputePipeline>[] {
    return this.dispatches.filter(({ pipeline }) => !pipeline.value).map(({ pipeline }) => pipeline.ready);
  }

  /** Everything, then the copies of the results, one after the other, as command buffers to submit one by one: most programs are one. All pipelines must be compiled. */
  encode(results: readonly Resident[], readback: PooledBuffer, flopsPerSubmit = mostFlops): GPUCommandBuffer[] {
    if (results.some(({ freed }) => freed))
      throw new Error('Expected live tensors for "the results", got one that was freed');
    const batches: Recorded[][] = [[]];
    let flops = 0;
    for (const recorded of this.dispatches) {
      const { flops: more = 0 } = recorded.work;
      if (flops > 0 && flops + more > flopsPerSubmit) {
        batches.push([]);
        flops = 0;
      }
      batches.at(-1)!.push(recorded);
      flops += more;
    }
    return batches.map((batch, i) => {
      const encoder = this.#device.createCommandEncoder({ label: 'carafe' });
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindGroup, workgroups } of batch) {
        pass.setPipeline(pipeline.value!);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      if (i === batches.length - 1) {
        let offset = 0;
        for (const { buffer, bytes } of results) {
          encoder.copyBufferToBuffer(buffer.gpu, 0, readback.gpu, offset, bytes);
          offset += bytes;
        }
      }
      return encoder.finish();
    });
  }

  /** After submission: the queue orders all later use behind it. */
  release(): void {
    for (const buffer of this.#held) this.#memory.release(buffer);
    this.#held.clear();
  }

  /** Instead of release() after an error, when a buffer may be invalid. */
  discard(): void {
    for (const buffer of this.#held) this.#memory.discard(buffer);
    this.#held.clear();
  }

  #output(bytes: number, what: string): PooledBuffer {
    // The smallest freed buffer that fits without wasting more than half of itself.
    let best = -1;
    for (let i = 0; i < this.#reusable.length; i++) {
      const { size } = this.#reusable[i];
      if (size >= bytes && size <= 2 * bytes && (best < 0 || size < this.#reusable[best].size)) best = i;
    }
    if (best >= 0) return this.#reusable.splice(best, 1)[0];
    return this.#acquire(bytes, 'storage', what);
  }

  #acquire(bytes: number, kind: BufferKind, what: string): PooledBuffer {
    const buffer = this.#memory.acquire(bytes, kind, what);
    this.#held.add(buffer);
    return buffer;
  }
}

/** struct Params as 32-bit words: integers as they are, `f32()` values as their bits. */
export function words(...values: (number | F32)[]): Uint32Array {
  const result = new Uint32Array(values.length);
  const floats = new Float32Array(result.buffer);
  values.forEach((value, i) => {
    if (typeof value === 'number') result[i] = value;
    else floats[i] = value.f32;
  });
  return result;
}

interface F32 {
  readonly f32: number;
}

export function f32(value: number): F32 {
  return { f32: value };
}
