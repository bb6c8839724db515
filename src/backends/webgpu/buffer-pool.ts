// GPU memory of one backend: pooled buffers by size class, small uniform buffers by content, and bind groups by what they bind: a program
// repeated gets the same buffers, and creating its bind groups again was a third of the time of recording it.
// A buffer goes back to the pool as soon as the work that uses it is submitted: the queue runs in order, so whatever is recorded
// with it later also runs (and is uploaded) later. Readback buffers go back once they are unmapped.
import { CarafeError } from '../../core/errors.js';
import { asked, USAGE } from './device.js';

export interface PooledBuffer {
  readonly gpu: GPUBuffer;
  readonly size: number; // bytes, a size class
  readonly kind: BufferKind;
}

/** Part of a buffer from its start: `bytes` are used. */
export interface Storage {
  readonly buffer: { readonly gpu: GPUBuffer };
  readonly bytes: number;
  /** Its values are f16. */
  readonly half?: boolean;
}

export type BufferKind = 'storage' | 'readback';

const FLAGS = { storage: USAGE.storage | USAGE.copySrc | USAGE.copyDst, readback: USAGE.mapRead | USAGE.copyDst };

/** Memory kept idle is bounded by twice what was ever in use at one time (or this, in bytes): a program repeated finds all of its buffers. */
const MIN_BUDGET = 64 * 2 ** 20;
/** Uniform buffers kept; a network has a few dozen. */
const MAX_UNIFORMS = 1024;
const MAX_BIND_GROUPS = 1024;

export class BufferPool {
  /** Counts what was created, so that a run knows whether creation can have failed. */
  created = 0;
  #users = 0; // command lists that were begun and not submitted
  readonly #all = new Set<PooledBuffer>();
  readonly #idle: PooledBuffer[] = []; // the longest idle first
  readonly #uniforms = new Map<string, GPUBuffer>(); // the longest unused first
  readonly #bindGroups = new Map<string, GPUBindGroup>(); // cleared when a buffer is destroyed
  readonly #ids = new WeakMap<GPUBuffer, number>();
  #nextId = 0;
  #total = 0; // bytes in `all`
  #inUse = 0; // bytes of those not in `idle`
  #peak = 0; // largest inUse so far
  readonly #device: GPUDevice;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** @throws CarafeError 'OutOfMemory' if `bytes` is above the device's limits. */
  acquire(bytes: number, kind: BufferKind, what: string): PooledBuffer {
    this.check(bytes, what);
    const size = Math.min(sizeClass(bytes), this.#device.limits.maxBufferSize);
    const found = this.#idle.findLastIndex((buffer) => buffer.kind === kind && buffer.size === size);
    const buffer = found >= 0 ? this.#idle.splice(found, 1)[0] : this.#create(size, kind, what);
    this.#inUse += size;
    this.#peak = Math.max(this.#peak, this.#inUse);
    return buffer;
  }

  release(buffer: PooledBuffer): void {
    if (!this.#all.has(buffer)) return; // destroyed meanwhile
    this.#inUse -= buffer.size;
    this.#idle.push(buffer);
    this.#trim(0);
  }

  /** For a buffer that may not be usable, as after an error. */
  discard(buffer: PooledBuffer): void {
    if (!this.#all.delete(buffer)) return;
    this.#inUse -= buffer.size;
    this.#total -= buffer.size;
    this.#bindGroups.clear();
    buffer.gpu.destroy();
  }

  /** Frees everything idle: after an out-of-memory error. */
  drop(): void {
    for (const buffer of this.#idle.splice(0)) this.#destroyIdle(buffer);
  }

  /** Uniform buffers and bind groups stay valid until leave(). */
  enter(): void {
    this.#users++;
  }

  /** Once for each enter(): the commands were submitted, or never will be. */
  leave(): void {
    if (--this.#users > 0) return;
    for (const [key, buffer] of this.#uniforms) {
      if (this.#uniforms.size <= MAX_UNIFORMS) return;
      this.#uniforms.delete(key);
      this.#bindGroups.clear();
      buffer.destroy();
    }
  }

  /** A uniform buffer that holds `words`. */
  uniform(words: Uint32Array<ArrayBuffer>): GPUBuffer {
    const key = words.join();
    let buffer = this.#uniforms.get(key);
    if (buffer) {
      this.#uniforms.delete(key);
    } else {
      buffer = asked(() => {
        const created = this.#device.createBuffer({
          label: 'carafe params',
          size: Math.ceil(words.byteLength / 16) * 16,
          usage: USAGE.uniform | USAGE.copyDst,
        });
        this.#device.queue.writeBuffer(created, 0, words);
        return created;
      });
      this.created++;
    }
    this.#uniforms.set(key, buffer);
    return buffer;
  }

  /** Bindings 0, 1, ...: so many bytes of each buffer, or all. */
  bindGroup(
    layout: GPUBindGroupLayout,
    bound: readonly { readonly buffer: GPUBuffer; readonly size?: number }[],
  ): GPUBindGroup {
    const key = `${layout.label} ${bound.map(({ buffer, size = 0 }) => `${this.#id(buffer)}:${size}`).join()}`;
    let group = this.#bindGroups.get(key);
    if (!group) {
      if (this.#bindGroups.size >= MAX_BIND_GROUPS) this.#bindGroups.clear();
      const entries = bound.map((resource, binding) => ({ binding, resource }));
      const created = asked(() => this.#device.createBindGroup({ label: layout.label, layout, entries }));
      this.#bindGroups.set(key, (group = created));
    }
    return group;
  }

  /** After an error, when what is cached may be invalid. */
  forgetUniforms(): void {
    this.#uniforms.clear();
    this.#bindGroups.clear();
  }

  dispose(): void {
    for (const buffer of this.#uniforms.values()) buffer.destroy();
    this.#uniforms.clear();
    for (const buffer of this.#all) buffer.gpu.destroy();
    this.#all.clear();
    this.#idle.length = 0;
    this.#bindGroups.clear();
  }

  /** @throws CarafeError 'OutOfMemory' if one binding cannot hold `bytes`. */
  check(bytes: number, what: string): void {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits;
    const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    if (bytes > limit) {
      throw new CarafeError(
        'OutOfMemory',
        `Expected at most ${limit} bytes (the GPU device's limit for one buffer) for "${what}", got ${bytes}`,
        { name: what, limit, bytes },
      );
    }
  }

  #id(buffer: GPUBuffer): number {
    let id = this.#ids.get(buffer);
    if (id === undefined) this.#ids.set(buffer, (id = this.#nextId++));
    return id;
  }

  #create(size: number, kind: BufferKind, what: string): PooledBuffer {
    this.#trim(size);
    const gpu = asked(() => this.#device.createBuffer({ label: `carafe ${what}`, size, usage: FLAGS[kind] }));
    const buffer = { gpu, size, kind };
    this.created++;
    this.#all.add(buffer);
    this.#total += size;
    return buffer;
  }

  /** Destroys the longest idle buffers until `more` bytes fit the budget. */
  #trim(more: number): void {
    const budget = Math.max(MIN_BUDGET, 2 * this.#peak);
    while (this.#idle.length > 0 && this.#total + more > budget) this.#destroyIdle(this.#idle.shift()!);
  }

  #destroyIdle(buffer: PooledBuffer): void {
    this.#all.delete(buffer);
    this.#total -= buffer.size;
    this.#bindGroups.clear();
    buffer.gpu.destroy();
  }
}

/** The smallest of 256 * {4, 5, 6, 7} / 4 * 2^i that holds `bytes`: at most a quarter is wasted, and sizes that differ a little share buffers. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 2);
  return Math.ceil(bytes / step) * step;
}
