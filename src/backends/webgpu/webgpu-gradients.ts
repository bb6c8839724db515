// The gradients' ops on a GPU: one program from the first op to the last, its results read back together.
import { elements, type Tensor } from '../../core/tensor.js';
import { CarafeError } from '../../core/errors.js';
import type { ConvWeights } from '../backend.js';
import type { GradientBackend, GradientOps } from '../gradients.js';
import { activationGradient } from './activation-gradient.js';
import { isSoftwareAdapter } from './adapter.js';
import { BufferPool } from './buffer-pool.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { conv2dGradient } from './conv2d-gradient.js';
import { type GpuContext, SharedDevice } from './device.js';
import { normalizerGradient } from './normalizer-gradient.js';
import { reassembleGradient } from './reassemble-gradient.js';
import { Run, touched } from './run.js';
import type { ShaderTexts } from './shader.js';
import { createOps } from './webgpu-backend.js';
import { GpuConv } from './weights.js';

/** @param destroyDevice dispose() destroys the device. @throws {CarafeError} DeviceLost */
export function createWebgpuGradients(
  device: GPUDevice,
  shaders: ShaderTexts,
  destroyDevice = false,
  hardware = !isSoftwareAdapter(device.adapterInfo),
): GradientBackend<GpuTensor, GpuConv> {
  const shared = SharedDevice.of(device, shaders);
  if (shared.lost) throw shared.lost;
  return new WebgpuGradients({ device, shared, half: false, hardware }, destroyDevice);
}

class WebgpuGradients implements GradientBackend<GpuTensor, GpuConv> {
  readonly name = 'webgpu';
  readonly #context: GpuContext;
  readonly #destroyDevice: boolean;
  readonly #pool: BufferPool;
  readonly #convs: GpuConv[] = [];
  readonly #runs = new Set<Run>();
  #ended: CarafeError | undefined;

  constructor(context: GpuContext, destroyDevice: boolean) {
    this.#context = context;
    this.#destroyDevice = destroyDevice;
    this.#pool = new BufferPool(context.device);
    context.shared.onLost.add(this.#end);
  }

  conv(weights: ConvWeights): GpuConv {
    const conv = new GpuConv(this.#context.device, this.#pool, weights);
    this.#convs.push(conv);
    return conv;
  }

  async run(program: (ops: GradientOps<GpuTensor, GpuConv>) => readonly GpuTensor[]): Promise<Tensor[]> {
    if (this.#ended) throw this.#ended;
    let results: readonly GpuTensor[] = [];
    const run = new Run(this.#context, this.#pool);
    this.#runs.add(run);
    try {
      const values = await run.execute(
        (list) => (results = program(gradientOps(list))),
        () => results.map(({ shape }) => touched(new Float32Array(elements(shape)))),
      );
      return results.map(({ shape }, i) => ({ data: values[i], shape }));
    } finally {
      this.#runs.delete(run);
    }
  }

  dispose(): void {
    this.#context.shared.onLost.delete(this.#end);
    this.#end(new CarafeError('Disposed', 'Expected a live webgpu backend, got one that was disposed'));
    this.#pool.dispose();
    for (const conv of this.#convs) conv.dispose();
    if (this.#destroyDevice) this.#context.device.destroy();
  }

  /** Rejects everything pending, and everything to come. */
  readonly #end = (error: CarafeError): void => {
    this.#ended = error;
    for (const run of this.#runs) run.stop(error);
  };
}

function gradientOps(list: CommandList): GradientOps<GpuTensor, GpuConv> {
  return {
    ...createOps(list),
    reassembleGradient: (...args) => reassembleGradient(list, ...args),
    normalizerGradient: (...args) => normalizerGradient(list, ...args),
    activationGradient: (...args) => activationGradient(list, ...args),
    conv2dGradient: (...args) => conv2dGradient(list, ...args),
  };
}
