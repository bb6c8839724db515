// The one owner of wasm memory: a bump allocator with mark and release, and the one place that grows the memory.
// Pointers are bytes. Weights, which come and go in another order, are blocks that are used again for as many bytes.
// Kernels may read up to SLACK bytes after a block's end.
import { CarafeError } from '../../core/errors.js';

const PAGE = 65536;
const MAX_BYTES = 65536 * PAGE - PAGE; // 4 GiB less a page, so that every end address fits 32 bits
const SLACK = PAGE;
const ALIGNMENT = 64; // a cache line

export class Arena {
  readonly memory: WebAssembly.Memory;
  #top: number;
  readonly #free = new Map<number, number[]>(); // blocks that were given back, by their size

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#top = PAGE; // the first page is the module's
  }

  /** @throws {CarafeError} OutOfMemory if the engine cannot give that much. */
  allocate(bytes: number): number {
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const pointer = this.#top;
    this.#ensure(pointer + size + SLACK);
    this.#top += size;
    return pointer;
  }

  /** Values that stay until giveBack(): at no time between mark() and release(). @throws as allocate() */
  keep(values: Float32Array): number {
    const pointer = this.#free.get(values.byteLength)?.pop() ?? this.allocate(values.byteLength);
    this.f32(pointer, values.length).set(values);
    return pointer;
  }

  /** What keep() gave for so many bytes. */
  giveBack(pointer: number, bytes: number): void {
    const blocks = this.#free.get(bytes);
    if (blocks) blocks.push(pointer);
    else this.#free.set(bytes, [pointer]);
  }

  /** Kernels that read further than SLACK after a block say how far; what lies there is not used. */
  allowReadingPast(bytes: number): void {
    this.#ensure(this.#top + bytes);
  }

  mark(): number {
    return this.#top;
  }

  release(mark: number): void {
    this.#top = mark;
  }

  #ensure(bytes: number): void {
    const missing = bytes - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      if (bytes > MAX_BYTES) throw new RangeError('past 4 GiB');
      this.memory.grow(Math.ceil(missing / PAGE));
    } catch (cause) {
      const got = `${this.memory.buffer.byteLength} (${(cause as Error).message})`;
      throw new CarafeError('OutOfMemory', `Expected ${bytes} bytes of wasm memory to be available, got ${got}`, {
        bytes,
      });
    }
  }

  f32(pointer: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  i32(pointer: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, pointer, length);
  }

  u8(pointer: number, length: number): Uint8ClampedArray {
    return new Uint8ClampedArray(this.memory.buffer, pointer, length);
  }
}
