// What one program does, written down: dispatches with their buffers and parameters, in order. Nothing runs until it is encoded.
// A buffer that an op freed may hold the output of a later op (dispatches run in order), but never an upload: uploads all happen
// before the first dispatch. Every op writes every value of its output and binds no byte more, so what a pooled buffer held
// before can never be read.
import type { DevicePixels, DeviceTensor } from '../backend.js';
import type { CarafeError } from '../../core/errors.js';
import { toHalves } from '../../core/half.js';
import { elements, type RawImage, type Shape } from '../../core/tensor.js';
import type { BufferPool, PooledBuffer, Storage } from './buffer-pool.js';
import { asked, type GpuContext, type Pipeline } from './device.js';
import type { Params, Shader } from './shader.js';
import type { PackedWeights } from './weights.js';

/** A value of one program: a tensor or an image. */
export interface Resident extends Storage {
  readonly buffer: PooledBuffer;
  freed: boolean;
}

export interface GpuTensor extends DeviceTensor, Resident {
  readonly half: boolean;
}
export interface GpuPixels extends DevicePixels, Resident {}

export interface Dispatch {
  readonly shader: Shader;
  readonly entryPoint: string;
  /** `override` constants. */
  readonly constants?: Readonly<Record<string, number>>;
  readonly params: Params;
  readonly inputs: readonly Storage[];
  readonly outputs: readonly Storage[];
  /** Invocations that the shader needs; it checks the bounds itself. Or, where invocations share memory, workgroups. */
  readonly invocations?: number;
  readonly workgroups?: number;
  /** Floating point operations, 2 for a multiply-add, where they are worth counting. */
  readonly flops?: number;
}

interface Command {
  readonly work: Dispatch;
  readonly pipeline: Pipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/** Of one submit: 50 ms on a GPU of 1 TFLOP/s, far from the watchdogs that reset slow ones. A tile of 256 of `base` is 2.2e9. */
const MAX_FLOPS = 5e10;

export class CommandList {
  readonly commands: Command[] = [];
  /** Weights whose upload is not known to have worked. */
  readonly uploads = new Set<Promise<CarafeError | undefined>>();
  readonly #held = new Set<PooledBuffer>();
  readonly #scratch: PooledBuffer[] = []; // freed, for later outputs
  readonly #context: GpuContext;
  readonly #pool: BufferPool;

  constructor(context: GpuContext, pool: BufferPool) {
    this.#context = context;
    this.#pool = pool;
    pool.enter();
  }

  /** Kernels of real GPUs: loads of vectors, memory shared in a workgroup. */
  get hardware(): boolean {
    return this.#context.hardware;
  }

  get flops(): number {
    return this.commands.reduce((sum, { work: { flops = 0 } }) => sum + flops, 0);
  }

  /** A tensor without values, for an op that writes all of them. */
  tensor(shape: Shape, what: string): GpuTensor {
    const half = this.#storedHalf(shape);
    const bytes = elements(shape) * (half ? 2 : 4);
    return { shape, half, buffer: this.#output(bytes, what), bytes, freed: false };
  }

  /** An image without values, for an op that writes all of them. */
  pixels(width: number, height: number, what: string): GpuPixels {
    const bytes = width * height * 4;
    return { width, height, buffer: this.#output(bytes, what), bytes, freed: false };
  }

  input(data: Float32Array, shape: Shape): GpuTensor {
    const half = this.#storedHalf(shape);
    const values = half ? toHalves(data) : data;
    return { shape, half, ...this.#upload(values, elements(shape) * (half ? 2 : 4), 'input') };
  }

  /**
   * Features, whole vectors of channels, lose nothing that shows in f16. Planes of one or two do: luma, gains and slopes
   * go into differences that slopes multiply, up to 40 times.
   */
  #storedHalf(shape: Shape): boolean {
    return this.#context.half && shape[3] % 4 === 0;
  }

  inputPixels({ data, width, height }: RawImage): GpuPixels {
    return { width, height, ...this.#upload(data, width * height * 4, 'image') };
  }

  /** Weights that a dispatch will read. */
  uses({ uploading }: PackedWeights): void {
    if (uploading) this.uploads.add(uploading);
  }

  free(value: Resident): void {
    if (value.freed) return;
    value.freed = true;
    this.#scratch.push(value.buffer);
  }

  dispatch(work: Dispatch): void {
    const { shader, entryPoint, constants = {}, inputs, outputs } = work;
    const bound = [...inputs, ...outputs];
    assertLive(bound, shader.name);
    const groups =
      work.workgroups ?? Math.ceil(work.invocations! / (constants.WORKGROUP ?? shader.constant('WORKGROUP')));
    if (groups === 0) return; // of no image there is nothing to compute
    const rows = Math.ceil(groups / this.#context.device.limits.maxComputeWorkgroupsPerDimension);
    const layout = this.#context.shared.bindGroupLayout(inputs.length, outputs.length);
    const halves = bound.flatMap(({ half }, i) => (half ? [i + 1] : []));
    this.commands.push({
      work,
      pipeline: this.#context.shared.pipeline({ shader, entryPoint, constants, halves }, layout),
      bindGroup: this.#bind(work),
      workgroups: [Math.ceil(groups / rows), rows],
    });
  }

  /** Everything, into a pass of the caller's; `places` are buffers to use instead of those of these tensors. */
  record(pass: GPUComputePassEncoder, places?: ReadonlyMap<Storage, GPUBuffer>, commands = this.commands): void {
    for (const { work, pipeline, bindGroup, workgroups } of commands) {
      const moved = places && [...work.inputs, ...work.outputs].some((storage) => places.has(storage));
      pass.setPipeline(pipeline.value!);
      pass.setBindGroup(0, moved ? this.#bind(work, places) : bindGroup);
      pass.dispatchWorkgroups(...workgroups);
    }
  }

  /** Gives a tensor's memory back, unless others are in it: from now on it is only a place for a buffer of the caller. */
  surrender(tensor: GpuTensor): void {
    const { buffer } = tensor;
    const shared = this.commands.some(({ work }) =>
      [...work.inputs, ...work.outputs].some((storage) => storage !== tensor && storage.buffer === buffer),
    );
    if (!shared && this.#held.delete(buffer)) this.#pool.discard(buffer);
  }

  /** Pipelines that are still being compiled. */
  compiling(): Promise<GPUComputePipeline>[] {
    return this.commands.filter(({ pipeline }) => !pipeline.value).map(({ pipeline }) => pipeline.ready);
  }

  /** Everything, then the copies of the results, one after the other, as command buffers to submit one by one: most programs are one. All pipelines must be compiled. */
  encode(results: readonly Resident[] = [], readback?: GPUBuffer, maxFlops = MAX_FLOPS): GPUCommandBuffer[] {
    const batches: Command[][] = [[]];
    let flops = 0;
    for (const command of this.commands) {
      const { flops: more = 0 } = command.work;
      if (flops > 0 && flops + more > maxFlops) {
        batches.push([]);
        flops = 0;
      }
      batches.at(-1)!.push(command);
      flops += more;
    }
    return batches.map((batch, i) => {
      const encoder = this.#context.device.createCommandEncoder({ label: 'carafe' });
      const pass = encoder.beginComputePass();
      this.record(pass, undefined, batch);
      pass.end();
      if (i === batches.length - 1) {
        let offset = 0;
        for (const { buffer, bytes } of results) {
          encoder.copyBufferToBuffer(buffer.gpu, 0, readback!, offset, bytes);
          offset += bytes;
        }
      }
      return encoder.finish();
    });
  }

  /** After submission: the queue orders all later use behind it. */
  release(): void {
    this.#leave((buffer) => this.#pool.release(buffer));
  }

  /** Instead of release() after an error, when a buffer may be invalid. */
  discard(): void {
    this.#leave((buffer) => this.#pool.discard(buffer));
  }

  #left = false;
  #leave(giveBack: (buffer: PooledBuffer) => void): void {
    if (this.#left) return;
    this.#left = true;
    this.#held.forEach(giveBack);
    this.#pool.leave();
  }

  #bind({ shader, params, inputs, outputs }: Dispatch, places?: ReadonlyMap<Storage, GPUBuffer>): GPUBindGroup {
    const layout = this.#context.shared.bindGroupLayout(inputs.length, outputs.length);
    return this.#pool.bindGroup(layout, [
      { buffer: this.#pool.uniform(shader.bytes(params)) },
      ...[...inputs, ...outputs].map((storage) => ({
        buffer: places?.get(storage) ?? storage.buffer.gpu,
        size: storage.bytes,
      })),
    ]);
  }

  #upload(data: Float32Array | Uint16Array | Uint8ClampedArray, bytes: number, what: string): Resident {
    const buffer = this.#acquire(bytes, what);
    const { queue } = this.#context.device;
    if (bytes > 0) asked(() => queue.writeBuffer(buffer.gpu, 0, data.buffer as ArrayBuffer, data.byteOffset, bytes));
    return { buffer, bytes, freed: false };
  }

  #output(bytes: number, what: string): PooledBuffer {
    // The smallest freed buffer that fits without wasting more than half of itself.
    let best = -1;
    for (let i = 0; i < this.#scratch.length; i++) {
      const { size } = this.#scratch[i];
      if (size >= bytes && size <= 2 * bytes && (best < 0 || size < this.#scratch[best].size)) best = i;
    }
    return best >= 0 ? this.#scratch.splice(best, 1)[0] : this.#acquire(bytes, what);
  }

  #acquire(bytes: number, what: string): PooledBuffer {
    const buffer = this.#pool.acquire(bytes, 'storage', what);
    this.#held.add(buffer);
    return buffer;
  }
}

/** @throws {Error} if one was freed: a mistake of the program. */
export function assertLive(storages: readonly Storage[], what: string): void {
  if (storages.some((storage) => (storage as Partial<Resident>).freed))
    throw new Error(`Expected live tensors for "${what}", got one that was freed`);
}
