// A GPUDevice that fails when it is told to, in the ways that drivers do.
export const GPU_FAULTS = [
  'lost',
  'createBuffer throws',
  'writeBuffer throws',
  'submit throws',
  'createBindGroup throws',
  'validation error',
  'out of memory',
  'mapAsync rejects',
  'mapAsync never settles',
  'getMappedRange throws',
  'a pipeline is refused',
] as const;
export type GpuFault = (typeof GPU_FAULTS)[number];

export class FaultyDevice {
  readonly device: GPUDevice;
  #fault: GpuFault | undefined;
  #calls = 0;

  constructor(device: GPUDevice) {
    this.device = device;
    const replace = (on: object, name: string, value: unknown): void => {
      Object.defineProperty(on, name, { value, configurable: true });
    };
    const throwing = (on: object, name: string, fault: GpuFault): void => {
      const real = (on as Record<string, (...args: unknown[]) => unknown>)[name];
      replace(on, name, (...args: unknown[]) => {
        if (this.#hits(fault)) throw new Error('a fault');
        return real.apply(on, args);
      });
    };
    const popErrorScope = device.popErrorScope.bind(device);
    const compile = device.createComputePipelineAsync.bind(device);
    const createBuffer = device.createBuffer.bind(device);
    replace(device, 'popErrorScope', async () => {
      const error = await popErrorScope();
      return this.#hits('validation error') || this.#hits('out of memory') ? { message: 'a fault' } : error;
    });
    replace(device, 'createComputePipelineAsync', async (descriptor: GPUComputePipelineDescriptor) => {
      if (this.#hits('a pipeline is refused')) throw new Error('a fault');
      return compile(descriptor);
    });
    replace(device, 'createBuffer', (descriptor: GPUBufferDescriptor) => {
      if (this.#hits('createBuffer throws')) throw new RangeError('a fault');
      const buffer = createBuffer(descriptor);
      const map = buffer.mapAsync.bind(buffer);
      replace(buffer, 'mapAsync', async (...args: Parameters<GPUBuffer['mapAsync']>) => {
        if (this.#hits('mapAsync rejects')) throw new Error('a fault');
        if (this.#hits('mapAsync never settles')) return new Promise(() => {});
        return map(...args);
      });
      throwing(buffer, 'getMappedRange', 'getMappedRange throws');
      return buffer;
    });
    throwing(device, 'createBindGroup', 'createBindGroup throws');
    throwing(device.queue, 'writeBuffer', 'writeBuffer throws');
    throwing(device.queue, 'submit', 'submit throws');
  }

  /** From now on, for so many calls that can have this fault. */
  fail(fault: GpuFault, calls = Infinity): void {
    if (fault === 'lost') this.device.destroy();
    else [this.#fault, this.#calls] = [fault, calls];
  }

  recover(): void {
    this.#fault = undefined;
  }

  #hits(fault: GpuFault): boolean {
    if (this.#fault !== fault) return false;
    if (--this.#calls <= 0) this.#fault = undefined;
    return true;
  }
}
