// Ops on AssemblyScript SIMD kernels. A program is traced (trace.ts); if it is not like one of the last, its ops become
// producers of rows (one file each) and these a plan (plan.ts); then the plan is carried out, start to end without
// yielding. The arithmetic is in assembly/<op>.ts.
import { CarafeError } from '../../core/errors.js';
import { convShape, meanGainsShape, pixelShuffleShape, reassembleSumShape } from '../../core/shapes.js';
import type { Backend, ConvWeights, Ops } from '../backend.js';
import { Arena } from './arena.js';
import { carafePack } from './carafe-pack.js';
import { colourLines } from './colour-lines.js';
import { conv2d, placeConv, releaseConv, type WasmConv } from './conv2d.js';
import { instantiate } from './kernels.js';
import { meanGains } from './mean-gains.js';
import { networkOps } from './network-ops.js';
import { operatorOps } from './operator-ops.js';
import { pixelShuffle } from './pixel-shuffle.js';
import { pixelsToPlanes, planesToPixels } from './pixels.js';
import { Machine, Program } from './program.js';
import { reassembleSum } from './reassemble-sum.js';
import { resize } from './resize.js';
import type { Producer } from './rows.js';
import { Trace, type Traced, type WasmPixels, type WasmTensor } from './trace.js';

const KEPT = 16; // programs: tiles of one image are of up to 9 sizes

export type WasmOps = Ops<WasmTensor, WasmPixels, WasmConv>;

/** @param details which build `module` is. */
export async function createWasmBackend(module: WebAssembly.Module, details: string): Promise<Backend> {
  const memory = new WebAssembly.Memory({ initial: 4 });
  return new WasmBackend(new Machine(new Arena(memory), await instantiate(module, memory)), details);
}

/** A program that was run, for the next call that is like it. */
interface Known {
  readonly trace: Trace;
  readonly program: Program;
  /** Of each result. */
  readonly slots: readonly number[];
}

class WasmBackend implements Backend<WasmTensor, WasmPixels, WasmConv> {
  readonly name = 'wasm';
  readonly details: string;
  #machine: Machine | undefined;
  #known: Known[] = []; // the latest first

  constructor(machine: Machine, details: string) {
    this.#machine = machine;
    this.details = details;
  }

  conv(conv: ConvWeights): WasmConv {
    return placeConv(this.#alive().arena, conv);
  }

  release(...convs: WasmConv[]): void {
    const { arena } = this.#alive();
    for (const conv of convs) releaseConv(arena, conv);
  }

  async run(program: (ops: WasmOps) => WasmTensor, into?: Float32Array): Promise<Float32Array> {
    const trace = new Trace();
    const result = program(createOps(trace));
    const known = this.#find(trace, [result], (running) => [running.values(result.lowered(running))]);
    const [slot] = known.slots;
    const { floats } = this.#run(known, trace, into);
    if (slot >= trace.floats.length) return floats[slot];
    if (!into) return floats[slot].slice(); // the program's result is its input
    into.set(floats[slot]);
    return into;
  }

  async runAll(program: (ops: WasmOps) => readonly WasmTensor[]): Promise<Float32Array[]> {
    const trace = new Trace();
    const results = program(createOps(trace));
    const known = this.#find(trace, results, (running) =>
      running.allValues(results.map((result) => result.lowered(running))),
    );
    const { floats } = this.#run(known, trace);
    return known.slots.map((slot) => (slot >= trace.floats.length ? floats[slot] : floats[slot].slice()));
  }

  async runPixels(program: (ops: WasmOps) => readonly WasmPixels[]): Promise<Uint8ClampedArray[]> {
    const trace = new Trace();
    const results = program(createOps(trace));
    const known = this.#find(trace, results, (running) =>
      results.map((result) => running.pixels(result.lowered(running))),
    );
    const { bytes } = this.#run(known, trace);
    return known.slots.map((slot) => (slot >= trace.bytes.length ? bytes[slot] : bytes[slot].slice()));
  }

  dispose(): void {
    this.#machine = undefined;
    this.#known = [];
  }

  #find(trace: Trace, results: readonly Traced<unknown>[], slotsOf: (program: Program) => number[]): Known {
    trace.results(results);
    let known = this.#known.find((one) => one.trace.equals(trace));
    if (!known) {
      const program = new Program(this.#alive(), { floats: trace.floats.length, bytes: trace.bytes.length });
      known = { trace: trace.withoutValues(), program, slots: slotsOf(program) };
    }
    this.#known = [known, ...this.#known.filter((one) => one !== known)].slice(0, KEPT);
    return known;
  }

  #run({ program, slots: [slot] }: Known, trace: Trace, into?: Float32Array): ReturnType<Program['run']> {
    const { arena } = this.#alive();
    const mark = arena.mark();
    try {
      return program.run(trace, slot, into);
    } finally {
      arena.release(mark);
    }
  }

  #alive(): Machine {
    if (!this.#machine) throw new CarafeError('Disposed', 'Expected a live wasm backend, got one that was disposed');
    return this.#machine;
  }
}

const output = (_: Program, producer: Producer, i: number) => producer.outputs[i];

function createOps(trace: Trace): WasmOps {
  const ops: WasmOps = {
    input: (data, shape) => trace.input(data, shape),
    inputPixels: (image) => trace.inputPixels(image),
    free() {}, // rows free themselves
    conv2d(x, conv, { dilation, activation, slope, residual }) {
      const shape = convShape(x.shape, conv.cIn, conv.cOut);
      return trace.tensor(shape, conv2d, x, conv, dilation, activation, slope, residual);
    },
    pixelShuffle: (x, scale) => trace.tensor(pixelShuffleShape(x.shape, scale), pixelShuffle, x, scale),
    carafePack: (x, module, layout) => carafePack(ops, x, module, layout),
    reassembleSum(maps, x, encode, base, window) {
      const { scale, kUp, groups } = window;
      const shape = reassembleSumShape(maps.shape, convShape(x.shape, encode.cIn, encode.cOut), base.shape, window);
      return trace.tensor(shape, reassembleSum, maps, x, encode, base, scale, kUp, groups);
    },
    resize(x, height, width, mode, cubicA) {
      const [n, , , c] = x.shape;
      return trace.tensor([n, height, width, c], resize, x, height, width, mode, cubicA);
    },
    pixelsToPlanes(pixels, alpha) {
      const { width, height } = pixels;
      const planes = trace.producer(pixelsToPlanes, pixels, width, height, alpha);
      return {
        luma: trace.tensor([alpha ? 2 : 1, height, width, 1], output, planes, 0),
        chroma: trace.tensor([1, height, width, 2], output, planes, 1),
      };
    },
    meanGains: (big, small) => trace.tensor(meanGainsShape(small.shape), meanGains, big, small),
    colourLines(pixels, luma, chroma) {
      const { width, height } = pixels;
      const lines = trace.producer(colourLines, pixels, luma, chroma, width, height);
      return {
        slopes: trace.tensor([1, height, width, 2], output, lines, 0),
        low: trace.pixels([width, height], output, lines, 1),
        high: trace.pixels([width, height], output, lines, 2),
      };
    },
    planesToPixels: ({ luma, base, gains, chroma, lines: { slopes, low, high } }, { x, y, width, height }) =>
      trace.pixels([width, height], planesToPixels, luma, base, gains, chroma, slopes, low, high, x, y, width, height),
    ...operatorOps(trace),
    ...networkOps(trace),
  };
  return ops;
}
