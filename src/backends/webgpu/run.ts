// One program on the GPU: recorded, compiled where a pipeline is new, submitted, read back. Every way it can fail ends in a rejection
// with a CarafeError, never in a hang or in zeros:
//   OutOfMemory         also above the device's limits
//   DeviceLost          also a driver that keeps the result back or does not answer
//   BackendUnavailable  the driver refuses a shader or the program, or throws
import { CarafeError } from '../../core/errors.js';
import type { BufferPool, PooledBuffer } from './buffer-pool.js';
import { assertLive, CommandList, type Resident } from './command-list.js';
import { asked, deviceLost, type GpuContext, guarded, MAP_READ, refused } from './device.js';

/** How long the GPU may take to answer, in milliseconds: this, and its operations at a pace that only a GPU which hangs does not reach. */
const PATIENCE = 30_000;
const FLOPS_PER_MS = { hardware: 1e7, software: 1e5 };
/** How long a lost device takes to say so. */
const LOSS_TOLD = 1_000;

export class Run {
  readonly #context: GpuContext;
  readonly #pool: BufferPool;
  readonly #list: CommandList;
  readonly #end: Promise<never>;
  #reject!: (error: CarafeError) => void;
  #stopped: CarafeError | undefined;
  #readback: PooledBuffer | undefined;

  constructor(context: GpuContext, pool: BufferPool) {
    this.#context = context;
    this.#pool = pool;
    this.#list = new CommandList(context, pool);
    this.#end = new Promise((_, reject) => {
      this.#reject = reject;
    });
  }

  /** Its results as they are stored, each in the memory that `allocate` made for it while the GPU worked. */
  execute<Memory extends ArrayBufferView>(
    program: (list: CommandList) => readonly Resident[],
    allocate: () => readonly Memory[],
  ): Promise<readonly Memory[]> {
    // Promises of a lost device need not settle.
    return Promise.race([this.#end, this.#work(program, allocate)]);
  }

  /** Rejects now, whatever the GPU does. */
  stop(error: CarafeError): void {
    this.#stopped = error;
    this.#reject(error);
  }

  /** Where nothing is missing it is submitted before this returns. */
  async #work<Memory extends ArrayBufferView>(
    program: (list: CommandList) => readonly Resident[],
    allocate: () => readonly Memory[],
  ): Promise<readonly Memory[]> {
    try {
      const { created } = this.#pool;
      const { value: results, errors: recording } = guarded(this.#context.device, () => this.#record(program));
      if (this.#pool.created !== created) throwAny(await recording); // other runs must not find a buffer that could not be created
      for (const upload of this.#list.uploads) throwAny(await upload);
      await this.#compile();
      this.#assertGoing();
      const { value: mapped, errors: submitting } = guarded(this.#context.device, () =>
        asked(() => this.#submit(results)),
      );
      const places = allocate();
      const [mapError, ...errors] = await this.#answer(Promise.all([mapped, recording, submitting]));
      errors.forEach(throwAny);
      if (mapError) throw deviceLost(`the result could not be mapped: ${String(mapError)}`);
      this.#assertGoing();
      this.#read(results, places);
      return places;
    } catch (error) {
      throw await this.#fail(error);
    }
  }

  #record(program: (list: CommandList) => readonly Resident[]): readonly Resident[] {
    const results = program(this.#list);
    assertLive(results, 'the results');
    this.#readback = this.#pool.acquire(bytesOf(results), 'readback', 'the result');
    return results;
  }

  async #compile(): Promise<void> {
    const compiling = this.#list.compiling();
    if (compiling.length === 0) return;
    await Promise.all(compiling).catch((error: unknown) => {
      throw refused(error);
    });
  }

  /** Resolves, once the result is mapped, to what went wrong in mapping it. */
  #submit(results: readonly Resident[]): Promise<unknown> {
    const { gpu } = this.#readback!;
    for (const commands of this.#list.encode(results, gpu)) this.#context.device.queue.submit([commands]);
    this.#list.release();
    return gpu.mapAsync(MAP_READ, 0, bytesOf(results)).then(
      () => undefined,
      (error: unknown) => error ?? 'no reason',
    );
  }

  #read(results: readonly Resident[], places: readonly ArrayBufferView[]): void {
    const readback = this.#readback!;
    const mapped = asked(() => readback.gpu.getMappedRange(0, bytesOf(results)));
    let at = 0;
    for (const [i, { buffer, byteOffset, byteLength }] of places.entries()) {
      new Uint8Array(buffer, byteOffset, byteLength).set(new Uint8Array(mapped, at, byteLength));
      at += results[i].bytes;
    }
    readback.gpu.unmap();
    this.#pool.release(readback);
  }

  /** Whatever was held may be invalid or half mapped: nothing of it goes back to the pool. The error to report. */
  async #fail(error: unknown): Promise<unknown> {
    this.#list.discard();
    if (this.#readback) this.#pool.discard(this.#readback);
    this.#pool.forgetUniforms();
    if (!(error instanceof CarafeError)) return this.#stopped ?? error; // the program's own
    if (error.code === 'OutOfMemory') this.#pool.drop();
    // A lost device shows itself in many ways, and the loss may not have been told yet.
    else await within(LOSS_TOLD, this.#context.device.queue.onSubmittedWorkDone()).catch(() => {});
    return this.#stopped ?? error;
  }

  #assertGoing(): void {
    if (this.#stopped) throw this.#stopped;
  }

  /** @throws {CarafeError} DeviceLost if the GPU takes longer than such a program may. */
  #answer<Value>(promise: Promise<Value>): Promise<Value> {
    const pace = FLOPS_PER_MS[this.#context.hardware ? 'hardware' : 'software'];
    return within(PATIENCE + this.#list.flops / pace, promise);
  }
}

const PAGE = 4096; // bytes

/** New memory after the first write to each of its pages, where the system finds it: of 33 MB 5 to 16 ms, as much as a copy. */
export function touched<Memory extends Float32Array | Uint8ClampedArray>(memory: Memory): Memory {
  for (let i = 0; i < memory.length; i += PAGE / memory.BYTES_PER_ELEMENT) memory[i] = 0;
  return memory;
}

/** @throws {CarafeError} DeviceLost after so many milliseconds. */
async function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = deviceLost(`it has not answered for ${Math.round(milliseconds / 1000)} s`);
    timer = setTimeout(() => reject(error), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function bytesOf(results: readonly Resident[]): number {
  return results.reduce((sum, { bytes }) => sum + bytes, 0);
}

function throwAny(error: CarafeError | undefined): void {
  if (error) throw error;
}
