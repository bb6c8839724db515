// What backends on one GPUDevice share: compiled pipelines, and one watch for the loss of the device.
// Kept in a WeakMap keyed by the device, so that a second backend on a device compiles nothing and a dropped device drops it all.
import { CarafeError } from '../../core/errors.js';
import type { Shader, ShaderTexts } from './shader.js';

/** The device of one backend, and how it computes there. */
export interface GpuContext {
  readonly device: GPUDevice;
  readonly shared: SharedDevice;
  /** Features are stored as f16 (CommandList.tensor); weights stay f32: they are a thousandth of what a tile moves, and sums are f32. */
  readonly half: boolean;
  /** A real GPU: loads are vectors and workgroups share what they fetch. On software adapters barriers cost ten times what they save. */
  readonly hardware: boolean;
}

/** What names a pipeline. */
export interface Kernel {
  readonly shader: Shader;
  readonly entryPoint: string;
  /** `override` constants. */
  readonly constants: Readonly<Record<string, number>>;
  /** Bindings of tensors that are stored as f16. */
  readonly halves: readonly number[];
}

/** `value` is set once compiled, so that a run whose pipelines are all there need not wait. */
export interface Pipeline {
  value?: GPUComputePipeline;
  readonly ready: Promise<GPUComputePipeline>;
}

/** GPUBufferUsage and its like as numbers of the specification: in Node these globals exist only if someone put them there. */
export const USAGE = { mapRead: 0x01, copySrc: 0x04, copyDst: 0x08, uniform: 0x40, storage: 0x80 } as const;
export const MAP_READ = 0x01;
const SHADER_STAGE_COMPUTE = 0x04;

export function deviceLost(why: string): CarafeError {
  return new CarafeError('DeviceLost', `Expected the GPU device to stay available, got a lost device: ${why}`);
}

/** What the driver answers. @throws {CarafeError} BackendUnavailable if it throws. */
export function asked<Answer>(call: () => Answer): Answer {
  try {
    return call();
  } catch (error) {
    throw refused(error);
  }
}

export function refused(error: unknown): CarafeError {
  return new CarafeError('BackendUnavailable', `Expected the GPU driver to run the program, got: ${String(error)}`);
}

export class SharedDevice {
  static readonly #all = new WeakMap<GPUDevice, SharedDevice>();

  static of(device: GPUDevice, texts: ShaderTexts): SharedDevice {
    let shared = SharedDevice.#all.get(device);
    if (!shared) SharedDevice.#all.set(device, (shared = new SharedDevice(device, texts)));
    return shared;
  }

  /** Set once the device is lost. */
  lost: CarafeError | undefined;
  /** Called once, when the device is lost. */
  readonly onLost = new Set<(error: CarafeError) => void>();
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #device: GPUDevice;
  readonly #texts: ShaderTexts;

  private constructor(device: GPUDevice, texts: ShaderTexts) {
    this.#device = device;
    this.#texts = texts;
    void device.lost.then((info) => {
      this.lost = deviceLost(info.message || info.reason);
      for (const call of this.onLost) call(this.lost);
      this.onLost.clear();
    });
  }

  /** 0 the parameters, then read-only buffers, then others. */
  bindGroupLayout(reads: number, writes: number): GPUBindGroupLayout {
    const key = `${reads},${writes}`;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const types: GPUBufferBindingType[] = [
        'uniform',
        ...Array(reads).fill('read-only-storage'),
        ...Array(writes).fill('storage'),
      ];
      const entries = types.map((type, binding) => ({ binding, visibility: SHADER_STAGE_COMPUTE, buffer: { type } }));
      layout = this.#device.createBindGroupLayout({ label: `carafe ${key}`, entries });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  pipeline({ shader, entryPoint, constants, halves }: Kernel, layout: GPUBindGroupLayout): Pipeline {
    const key = `${shader.name}.${entryPoint} ${JSON.stringify(constants)}${storage(halves)}`;
    const cached = this.#pipelines.get(key);
    if (cached) return cached;
    const ready = this.#device.createComputePipelineAsync({
      label: key,
      layout: this.#device.createPipelineLayout({ label: key, bindGroupLayouts: [layout] }),
      compute: { module: this.#module(shader, halves), entryPoint, constants },
    });
    const pipeline: Pipeline = { ready };
    this.#pipelines.set(key, pipeline);
    // A failure is not kept: it may have been a passing lack of memory. Whoever awaits `ready` reports it.
    ready.then(
      (value) => {
        pipeline.value = value;
      },
      () => {
        this.#pipelines.delete(key);
      },
    );
    return pipeline;
  }

  #module(shader: Shader, halves: readonly number[]): GPUShaderModule {
    const label = shader.name + storage(halves);
    let module = this.#modules.get(label);
    if (!module) {
      module = this.#device.createShaderModule({ label, code: shader.code(this.#texts, halves) });
      this.#modules.set(label, module);
    }
    return module;
  }
}

/** For the name of what was compiled. */
function storage(halves: readonly number[]): string {
  return halves.length > 0 ? ` f16 ${halves}` : '';
}

/**
 * Calls `what` inside error scopes. `errors` never rejects: it resolves to what the calls did wrong, or to undefined.
 * Pushed and popped in one synchronous stretch, so scopes of runs that overlap cannot mix.
 */
export function guarded<T>(device: GPUDevice, what: () => T): { value: T; errors: Promise<CarafeError | undefined> } {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  let value: T;
  try {
    value = what();
  } catch (error) {
    void popErrors(device);
    throw error;
  }
  return { value, errors: popErrors(device) };
}

async function popErrors(device: GPUDevice): Promise<CarafeError | undefined> {
  // A lost device may refuse to pop a scope; the loss itself is reported by whoever awaits the run.
  const scopes = [device.popErrorScope(), device.popErrorScope()].map((scope) => scope.catch(() => null));
  const [memory, validation] = await Promise.all(scopes);
  if (memory)
    return new CarafeError('OutOfMemory', `Expected enough GPU memory for the program, got: ${memory.message}`);
  // Programs are valid by construction: what is left is a driver that refuses what the specification allows.
  if (validation)
    return new CarafeError(
      'BackendUnavailable',
      `Expected the GPU driver to accept the program, got: ${validation.message}`,
    );
  return undefined;
}
