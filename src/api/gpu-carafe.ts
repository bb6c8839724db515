// createGpuCarafe: the learned module between other programs on one GPUDevice: buffers in and out, recorded into the
// caller's encoder. Nothing is copied, submitted or read back.
import { isSoftwareAdapter } from '../backends/webgpu/adapter.js';
import { BufferPool } from '../backends/webgpu/buffer-pool.js';
import { CommandList, type GpuTensor } from '../backends/webgpu/command-list.js';
import { guarded, type GpuContext, refused, SharedDevice, USAGE } from '../backends/webgpu/device.js';
import shaders from '../backends/webgpu/shader-texts.js';
import { createOps } from '../backends/webgpu/webgpu-backend.js';
import { GpuConv } from '../backends/webgpu/weights.js';
import { CarafeError, expected } from '../core/errors.js';
import type { Global } from '../core/platform.js';
import { elements, type Shape } from '../core/tensor.js';
import { carafeStages } from '../engine/carafe.js';
import { type CarafeStages, upsample } from '../engine/networks/carafe-pack.js';
import {
  type CarafeModuleOptions,
  type CarafeWeights,
  checkFeaturesShape,
  type CheckedModule,
  checkModule,
  upsampledShape,
} from './module-options.js';

/** The options of createCarafe but for where it runs. */
export type GpuCarafeOptions = Omit<
  CarafeModuleOptions,
  'backend' | 'wasm' | 'device' | 'thread' | 'workerUrl' | 'workers' | 'signal' | 'precision'
>;

export interface GpuCarafe extends AsyncDisposable {
  /**
   * Compiles, uploads and allocates what features of this shape need: (n, c, h, w), or (n, h, w, c) in layout NHWC.
   * @throws {CarafeError} ShapeMismatch, OutOfMemory, BackendUnavailable if the driver refuses, DeviceLost, Disposed
   */
  prepare(shape: readonly number[]): Promise<PreparedCarafe>;
  /** Frees weights and what was prepared. The device stays the caller's. */
  dispose(): void;
}

/** The module for features of one shape. */
export interface PreparedCarafe {
  /** Of the result, in the layout of x. */
  readonly shape: Shape;
  /** That its buffer has to hold: f32. */
  readonly bytes: number;
  /**
   * Records the module: f32 from the start of `x`, to the start of `y`; both with usage STORAGE, and not the same. Any number of times, into
   * any encoders: what lies between the two belongs to this object, so that its recordings run one after the other, as a queue does.
   * @throws {CarafeError} InvalidOption for buffers that are too small or of other usage, DeviceLost, Disposed
   */
  record(
    encoder: Global<'GPUCommandEncoder', object>,
    x: Global<'GPUBuffer', object>,
    y: Global<'GPUBuffer', object>,
  ): void;
}

/**
 * The module on a device of yours, onnxruntime-web's (`await ort.env.webgpu.device`) or tfjs's. What loadCarafe gives is a module.
 * @throws {CarafeError} InvalidOption, ShapeMismatch, ModelInvalid, OutOfMemory, DeviceLost
 * @example
 * const carafe = createGpuCarafe(device, { weights, options }); // as of createCarafe, or await loadCarafe(file)
 * const { record, shape, bytes } = await carafe.prepare([1, 256, 50, 50]);
 * const y = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE });
 * record(encoder, x, y); // x: a GPUBuffer with features; then submit as ever
 */
export function createGpuCarafe(
  device: Global<'GPUDevice', object>,
  module: { readonly weights: CarafeWeights; readonly options?: GpuCarafeOptions },
): GpuCarafe {
  if (typeof (device as Partial<GPUDevice> | null)?.createBuffer !== 'function')
    throw expected('InvalidOption', 'device', 'a GPUDevice', device);
  if (typeof module !== 'object' || module === null)
    throw expected('InvalidOption', 'module', '{ weights, options? }', module);
  return new DeviceCarafe(device as GPUDevice, checkModule(module.weights, module.options ?? {}));
}

class DeviceCarafe implements GpuCarafe {
  readonly #context: GpuContext;
  readonly #checked: CheckedModule;
  readonly #pool: BufferPool;
  readonly #convs: GpuConv[] = [];
  readonly #stages: CarafeStages;
  readonly #lists: CommandList[] = [];
  #disposed = false;

  constructor(device: GPUDevice, checked: CheckedModule) {
    const shared = SharedDevice.of(device, shaders);
    if (shared.lost) throw shared.lost;
    this.#context = { device, shared, half: false, hardware: !isSoftwareAdapter(device.adapterInfo) };
    this.#checked = checked;
    this.#pool = new BufferPool(device);
    const conv = (weights: ConstructorParameters<typeof GpuConv>[2]): GpuConv => {
      const placed = new GpuConv(device, this.#pool, weights);
      this.#convs.push(placed);
      return placed;
    };
    this.#stages = carafeStages({ conv }, checked);
  }

  async prepare(wanted: readonly number[]): Promise<PreparedCarafe> {
    this.#assertAlive();
    const { layout } = this.#checked;
    const shape = checkFeaturesShape(wanted, this.#checked);
    const result = upsampledShape(shape, this.#checked);
    const { device } = this.#context;
    const { value, errors } = guarded(device, () => {
      const list = new CommandList(this.#context, this.#pool);
      const x = list.tensor(shape, 'the place of x');
      const y = upsample(createOps(list), this.#stages, x, layout) as GpuTensor;
      return { list, x, y };
    });
    const { list, x, y } = value;
    this.#lists.push(list);
    for (const failed of [await errors, ...(await Promise.all(list.uploads))]) if (failed) throw failed;
    await Promise.all(list.compiling()).catch((error: unknown) => {
      throw refused(error);
    });
    this.#assertAlive();
    for (const place of [x, y]) list.surrender(place); // the caller's buffers take their places
    const bytes = elements(result) * 4;
    const record = (encoder: object, from: object, to: object): void => {
      this.#assertAlive();
      checkBuffer('x', from as GPUBuffer, elements(shape) * 4);
      checkBuffer('y', to as GPUBuffer, bytes);
      if (from === to) throw expected('InvalidOption', 'y', 'another buffer than x', 'the same');
      const places = new Map([
        [x, from as GPUBuffer],
        [y, to as GPUBuffer],
      ]);
      const pass = (encoder as GPUCommandEncoder).beginComputePass({ label: 'carafe' });
      list.record(pass, places);
      pass.end();
    };
    return { shape: result, bytes, record };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const list of this.#lists) list.release();
    this.#pool.dispose();
    for (const conv of this.#convs) conv.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  #assertAlive(): void {
    if (this.#disposed) throw new CarafeError('Disposed', 'Expected a live object, got one that was disposed');
    const { lost } = this.#context.shared;
    if (lost) throw lost;
  }
}

function checkBuffer(name: string, buffer: GPUBuffer, bytes: number): void {
  if (typeof buffer !== 'object' || buffer === null || typeof buffer.size !== 'number')
    throw expected('InvalidOption', name, 'a GPUBuffer', buffer);
  if (buffer.size < bytes) throw expected('InvalidOption', name, `a GPUBuffer of at least ${bytes} bytes`, buffer.size);
  if ((buffer.usage & USAGE.storage) === 0)
    throw expected('InvalidOption', name, 'a GPUBuffer with usage STORAGE', `usage ${buffer.usage}`);
}
