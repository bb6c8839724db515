// The gradients' ops on wasm SIMD. What is computed forward runs on the wasm backend, an op at a time; what is
// differentiated in a second module with a memory of its own, in which tensors are whole: sums over all pixels leave
// nothing to be done by rows.
import deflated from '../../../dist/gradients-wasm.deflate';
import { CarafeError } from '../../core/errors.js';
import { convShape, pixelShuffleShape, pixelUnshuffleShape, reassembleShape } from '../../core/shapes.js';
import { elements, type Shape, type Tensor } from '../../core/tensor.js';
import type { Backend, ConvOptions, ConvWeights, DeviceConv, DeviceTensor, Ops } from '../backend.js';
import type { GradientBackend, GradientOps } from '../gradients.js';
import { activationGradient } from './activation-gradient.js';
import { Arena } from './arena.js';
import { inflate } from './builds.js';
import { conv2dGradient } from './conv2d-gradient.js';
import type { GradientKernels, GradientMachine } from './gradient-machine.js';
import { normalizerGradient } from './normalizer-gradient.js';
import { reassembleGradient } from './reassemble-gradient.js';

/** @param forward An open wasm backend; it is disposed with this one. @throws {CarafeError} BackendUnavailable */
export async function createWasmGradients(forward: Backend): Promise<GradientBackend<Tensor, DeviceConv>> {
  const memory = new WebAssembly.Memory({ initial: 4 });
  try {
    const module = await WebAssembly.compile(await inflate(deflated));
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    return new WasmGradients(forward, exports as unknown as GradientKernels, new Arena(memory));
  } catch (cause) {
    forward.dispose();
    throw new CarafeError(
      'BackendUnavailable',
      `this engine does not compile the gradients: ${(cause as Error).message}`,
    );
  }
}

class WasmGradients implements GradientBackend<Tensor, DeviceConv> {
  readonly name = 'wasm';
  readonly #forward: Backend;
  readonly #arena: Arena;
  readonly #machine: GradientMachine;

  constructor(forward: Backend, kernels: GradientKernels, arena: Arena) {
    this.#forward = forward;
    this.#arena = arena;
    const load = (values: Float32Array): number => {
      const address = arena.allocate(values.byteLength);
      arena.f32(address, values.length).set(values);
      return address;
    };
    const zeros = (length: number): number => {
      const address = arena.allocate(length * 4);
      arena.f32(address, length).fill(0);
      return address;
    };
    this.#machine = { kernels, arena, load, zeros };
  }

  conv(weights: ConvWeights): DeviceConv {
    return this.#forward.conv(weights);
  }

  async run(program: (ops: GradientOps<Tensor, DeviceConv>) => readonly Tensor[]): Promise<Tensor[]> {
    const running: Promise<unknown>[] = [];
    const results = program(this.#ops(running));
    await Promise.all(running); // of what failed, if anything did
    return [...results];
  }

  dispose(): void {
    this.#forward.dispose();
  }

  #ops(running: Promise<unknown>[]): GradientOps<Tensor, DeviceConv> {
    /** On wasm all is done when run() returns; its promise says whether it went well. */
    const forward = (shape: Shape, program: (ops: Ops) => DeviceTensor): Tensor => {
      const data = new Float32Array(elements(shape));
      running.push(this.#forward.run(program, data));
      return { data, shape };
    };
    const input = (ops: Ops, { data, shape }: Tensor): DeviceTensor => ops.input(data, shape);
    const released = <Args extends readonly unknown[], Result>(
      op: (machine: GradientMachine, ...args: Args) => Result,
    ): ((...args: Args) => Result) => {
      return (...args) => {
        const mark = this.#arena.mark();
        try {
          return op(this.#machine, ...args);
        } finally {
          this.#arena.release(mark);
        }
      };
    };
    return {
      input: (data, shape) => ({ data, shape }),
      nchwToNhwc: (x) => {
        const [n, c, h, w] = x.shape;
        return forward([n, h, w, c], (ops) => ops.nchwToNhwc(input(ops, x)));
      },
      nhwcToNchw: (x) => {
        const [n, h, w, c] = x.shape;
        return forward([n, c, h, w], (ops) => ops.nhwcToNchw(input(ops, x)));
      },
      conv2d: (x, conv, { residual, ...options }: ConvOptions<Tensor>) =>
        forward(convShape(x.shape, conv.cIn, conv.cOut), (ops) =>
          ops.conv2d(input(ops, x), conv, { ...options, ...(residual && { residual: input(ops, residual) }) }),
        ),
      pixelShuffle: (x, scale) =>
        forward(pixelShuffleShape(x.shape, scale), (ops) => ops.pixelShuffle(input(ops, x), scale)),
      pixelUnshuffle: (x, scale) =>
        forward(pixelUnshuffleShape(x.shape, scale), (ops) => ops.pixelUnshuffle(input(ops, x), scale)),
      normalizeKernels: (rows, window, normalizer) =>
        forward(rows.shape, (ops) => ops.normalizeKernels(input(ops, rows), window, normalizer)),
      reassemble: (features, rows, window, padding, layout) =>
        forward(reassembleShape(features.shape, rows.shape, window, layout), (ops) =>
          ops.reassemble(input(ops, features), input(ops, rows), window, padding, layout),
        ),
      reassembleGradient: released(reassembleGradient),
      normalizerGradient: released(normalizerGradient),
      activationGradient: released(activationGradient),
      conv2dGradient: released(conv2dGradient),
    };
  }
}
