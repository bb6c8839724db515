// The GPU as the parts get it: Dawn (npm `webgpu`) in Node, the runtime's own in Deno. The package opens its device itself, from a
// `navigator.gpu` that hides f16 or shows it and adds timestamp queries; what it opened is watched from outside, so that src needs no hooks.
import type { Features } from './parts.js';

/** Dispatches or passes as the GPU's own clock saw them, nanoseconds. */
export interface Timed {
  /** Of the pipeline, or of a pass 'pass'. */
  readonly label: string;
  readonly workgroups: readonly number[];
  readonly begin: number;
  readonly end: number;
}

let gpu: GPU | undefined; // Dawn aborts if it is collected before its devices

export async function openGpu(): Promise<GPU> {
  return (gpu ??= 'Deno' in globalThis ? navigator.gpu : await openDawn());
}

async function openDawn(): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  return create([
    'disable-dawn-features=timestamp_quantization', // else the clock has steps of 0.1 ms
    'enable-dawn-features=vulkan_enable_f16_on_nvidia', // Dawn, and so Chrome, hides shader-f16 there
  ]);
}

/** Sets `navigator.gpu`. Every device opened through it from now on is in the array that is returned. */
export async function install({ f16 }: Features): Promise<Watched[]> {
  const own = await openGpu();
  const opened: Watched[] = [];
  const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const asked = performance.now();
    const adapter = await own.requestAdapter(options);
    if (!adapter) return null;
    if (f16 && !adapter.features.has('shader-f16')) throw new Error('the adapter has no shader-f16');
    const features = new Set([...adapter.features].filter((name) => f16 || name !== 'shader-f16'));
    const changed: PropertyDescriptorMap = {
      features: { value: features },
      requestDevice: {
        async value({ requiredFeatures = [], ...rest }: GPUDeviceDescriptor = {}) {
          const wanted = new Set([...requiredFeatures, 'timestamp-query' as const]);
          const device = await adapter.requestDevice({
            ...rest,
            requiredFeatures: [...wanted].filter((name) => features.has(name)),
          });
          opened.push(new Watched(device, performance.now() - asked));
          return device;
        },
      },
    };
    return Object.create(adapter, {
      info: { get: () => adapter.info },
      limits: { get: () => adapter.limits },
      ...changed,
    });
  };
  const { userAgent = 'node', hardwareConcurrency = 1 } = globalThis.navigator ?? {};
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent, hardwareConcurrency, gpu: { requestAdapter } },
    configurable: true,
    writable: true,
  });
  return opened;
}

type Mode = 'off' | 'pass' | 'dispatch';
const QUERIES = 4096; // the most that a set may have
const usage = { mapRead: 0x01, copySrc: 0x04, copyDst: 0x08, queryResolve: 0x200 } as const;

/** A device whose buffers are counted and whose dispatches can be timed. */
export class Watched {
  /** Created and not destroyed. */
  buffers = 0;
  bytes = 0;
  readonly device: GPUDevice;
  /** From asking for an adapter to the device. */
  readonly deviceMs: number;
  /** Pipelines, from when they were asked for to when they were there. */
  readonly compiled: { readonly label: string; readonly begin: number; readonly end: number }[] = [];
  #mode: Mode = 'off';
  #timed: { label: string; workgroups: readonly number[] }[] = [];
  #sets: GPUQuerySet[] = [];
  readonly #createBuffer: (descriptor: GPUBufferDescriptor) => GPUBuffer;
  readonly #createCommandEncoder: (descriptor?: GPUCommandEncoderDescriptor) => GPUCommandEncoder;

  constructor(device: GPUDevice, deviceMs: number) {
    this.device = device;
    this.deviceMs = deviceMs;
    const compile = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = async (descriptor) => {
      const begin = performance.now();
      const pipeline = await compile(descriptor);
      this.compiled.push({ label: descriptor.label!, begin, end: performance.now() });
      return pipeline;
    };
    this.#createBuffer = device.createBuffer.bind(device);
    this.#createCommandEncoder = device.createCommandEncoder.bind(device);
    device.createBuffer = (descriptor) => {
      const buffer = this.#createBuffer(descriptor);
      this.buffers++;
      this.bytes += descriptor.size;
      const destroy = buffer.destroy.bind(buffer);
      let alive = true;
      buffer.destroy = () => {
        if (alive) {
          this.buffers--;
          this.bytes -= descriptor.size;
        }
        alive = false;
        return destroy();
      };
      return buffer;
    };
    device.createCommandEncoder = (descriptor) => {
      const encoder = this.#createCommandEncoder(descriptor);
      if (this.#mode !== 'off') this.#timePasses(encoder);
      return encoder;
    };
  }

  /** Runs `body` and times its passes, or each dispatch in a pass of its own, which costs a barrier each. */
  async time(mode: 'pass' | 'dispatch', body: () => Promise<unknown>): Promise<Timed[]> {
    if (!this.device.features.has('timestamp-query'))
      throw new Error('Expected timestamp-query, which the device lacks');
    this.#timed = [];
    this.#mode = mode;
    try {
      await body();
    } finally {
      this.#mode = 'off';
    }
    return this.#read();
  }

  /** Milliseconds from the start of `body` until the GPU has done all that it submitted, copies for reading back included, reading not. */
  async untilComputed(body: () => Promise<unknown>): Promise<number> {
    const { queue } = this.device;
    const submit = queue.submit.bind(queue);
    const done: Promise<number>[] = [];
    queue.submit = (buffers) => {
      submit(buffers);
      done.push(queue.onSubmittedWorkDone().then(() => performance.now()));
    };
    const started = performance.now();
    try {
      await body();
    } finally {
      queue.submit = submit;
    }
    return Math.max(...(await Promise.all(done))) - started;
  }

  #timePasses(encoder: GPUCommandEncoder): void {
    const begin = encoder.beginComputePass.bind(encoder);
    const timed = (label: string, workgroups: readonly number[]): GPUComputePassEncoder =>
      begin({ label, timestampWrites: this.#query(label, workgroups) });
    encoder.beginComputePass = () => {
      if (this.#mode === 'pass') return timed('pass', []);
      let pipeline: GPUComputePipeline;
      const groups = new Map<number, unknown[]>();
      const dispatch = (workgroups: readonly number[], how: (pass: GPUComputePassEncoder) => void): void => {
        const pass = timed(pipeline.label, workgroups);
        pass.setPipeline(pipeline);
        for (const [index, rest] of groups) (pass.setBindGroup as any)(index, ...rest);
        how(pass);
        pass.end();
      };
      return {
        setPipeline(value: GPUComputePipeline) {
          pipeline = value;
        },
        setBindGroup(index: number, ...rest: unknown[]) {
          groups.set(index, rest);
        },
        dispatchWorkgroups(...count: [number, number?, number?]) {
          dispatch(count as number[], (pass) => pass.dispatchWorkgroups(...count));
        },
        dispatchWorkgroupsIndirect(buffer: GPUBuffer, offset: number) {
          dispatch([], (pass) => pass.dispatchWorkgroupsIndirect(buffer, offset));
        },
        pushDebugGroup() {},
        popDebugGroup() {},
        insertDebugMarker() {},
        end() {},
      } as unknown as GPUComputePassEncoder;
    };
  }

  #query(label: string, workgroups: readonly number[]): GPUComputePassTimestampWrites {
    const at = (2 * this.#timed.length) % QUERIES;
    const set = Math.floor((2 * this.#timed.length) / QUERIES);
    this.#sets[set] ??= this.device.createQuerySet({ type: 'timestamp', count: QUERIES });
    this.#timed.push({ label, workgroups });
    return { querySet: this.#sets[set], beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  async #read(): Promise<Timed[]> {
    const stamps: number[] = [];
    for (let first = 0; first < 2 * this.#timed.length; first += QUERIES) {
      const count = Math.min(QUERIES, 2 * this.#timed.length - first);
      const size = 8 * count;
      const resolved = this.#createBuffer({ size, usage: usage.queryResolve | usage.copySrc });
      const readable = this.#createBuffer({ size, usage: usage.mapRead | usage.copyDst });
      const encoder = this.#createCommandEncoder();
      encoder.resolveQuerySet(this.#sets[first / QUERIES], 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
      this.device.queue.submit([encoder.finish()]);
      await readable.mapAsync(1);
      stamps.push(...Array.from(new BigUint64Array(readable.getMappedRange()), Number));
      for (const buffer of [resolved, readable]) buffer.destroy();
    }
    return this.#timed.map((one, i) => ({ ...one, begin: stamps[2 * i], end: stamps[2 * i + 1] }));
  }
}
