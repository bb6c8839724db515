// Ops on AssemblyScript SIMD kernels: this folder says which rows each op reads, lays them out in the arena (rows.ts) and packs weights; the
// arithmetic is in assembly/<op>.ts. Nothing is computed before the result is asked for; one program at a time, start to end without yielding.
import { CarafeError } from '../../core/errors.js';
import type { Backend, ConvWeights, Ops } from '../backend.js';
import { Arena } from './arena.js';
import { carafePack } from './carafe-pack.js';
import { conv2d, placeConv, type WasmConv } from './conv2d.js';
import { instantiate, type Kernels } from './kernels.js';
import { nchwToNhwc, nhwcToNchw } from './layout.js';
import { normalizeKernels } from './normalize-kernels.js';
import { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
import { inputPixels, pixelsToPlanes, pixelValues, planesToPixels, type WasmPixels } from './pixels.js';
import { createProgram, createSource, type Program, type WasmTensor } from './program.js';
import { reassemble } from './reassemble.js';
import { reassembleSum } from './reassemble-sum.js';
import { resize } from './resize.js';

export type WasmOps = Ops<WasmTensor, WasmPixels, WasmConv>;

/** @param details which build `module` is. */
export async function createWasmBackend(module: WebAssembly.Module, details: string): Promise<Backend> {
  const memory = new WebAssembly.Memory({ initial: 4 });
  return new WasmBackend(new Arena(memory), await instantiate(module, memory), details);
}

class WasmBackend implements Backend<WasmTensor, WasmPixels, WasmConv> {
  readonly name = 'wasm';
  readonly details: string;
  readonly batch = 1;
  #arena: Arena | undefined;
  readonly #wasm: Kernels;

  constructor(arena: Arena, wasm: Kernels, details: string) {
    this.#arena = arena;
    this.#wasm = wasm;
    this.details = details;
  }

  conv(conv: ConvWeights): WasmConv {
    return placeConv(this.#alive(), conv);
  }

  async run(program: (ops: WasmOps) => WasmTensor, into?: Float32Array): Promise<Float32Array> {
    return this.#scope((running) => running.values(program(opsOf(running)), into));
  }

  async runPixels(program: (ops: WasmOps) => readonly WasmPixels[]): Promise<Uint8ClampedArray[]> {
    return this.#scope((running) => program(opsOf(running)).map(pixelValues));
  }

  dispose(): void {
    this.#arena = undefined;
  }

  #scope<R>(body: (program: Program) => R): R {
    const arena = this.#alive();
    const mark = arena.mark();
    try {
      return body(createProgram(arena, this.#wasm));
    } finally {
      arena.release(mark);
    }
  }

  #alive(): Arena {
    if (!this.#arena) throw new CarafeError('Disposed', 'Expected a live wasm backend, got one that was disposed');
    return this.#arena;
  }
}

function opsOf(program: Program): WasmOps {
  return {
    input: createSource,
    inputPixels,
    free() {}, // rows free themselves
    nchwToNhwc: (...args) => nchwToNhwc(program, ...args),
    nhwcToNchw: (...args) => nhwcToNchw(program, ...args),
    conv2d: (...args) => conv2d(program, ...args),
    pixelShuffle: (...args) => pixelShuffle(program, ...args),
    pixelUnshuffle: (...args) => pixelUnshuffle(program, ...args),
    normalizeKernels: (...args) => normalizeKernels(program, ...args),
    reassemble: (...args) => reassemble(program, ...args),
    reassembleSum: (...args) => reassembleSum(program, ...args),
    resize: (...args) => resize(program, ...args),
    pixelsToPlanes: (...args) => pixelsToPlanes(program, ...args),
    planesToPixels: (...args) => planesToPixels(program, ...args),
    carafePack: (...args) => carafePack(program, ...args),
  };
}
