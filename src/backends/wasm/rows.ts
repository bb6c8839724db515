// Programs run by rows: an op is a producer that computes a few rows of its output from a few rows of its inputs, and
// what consumes the result pulls. So the stages of a network follow one another through the image a stripe behind each
// other, every tensor between them is a ring of the rows that are still needed, all of them lie in the L2 cache, and
// rows and columns that nobody needs (a tile's halo, further and further in) are never computed.
// This is what ops are made of. What is computed when, and where it lies, is the plan's (plan.ts).
import type { Shape } from '../../core/tensor.js';
import type { Ring } from './ring.js';

/** Columns or rows from..to-1; for what an op reads they may lie outside its input, where it reads zeros. */
export type Range = readonly [from: number, to: number];

/** A tensor [n, h, w, c], computed row by row. */
export class Rows {
  readonly shape: Shape;
  readonly producer: Producer;

  constructor(shape: Shape, producer: Producer) {
    this.shape = shape;
    this.producer = producer;
  }
}

/** What a producer reads of one input. */
export interface Input {
  readonly rows: Rows;
  /** The input rows that the output rows y..y+block-1 read. */
  reads(y: number): Range;
  /** The input columns that the output columns read. */
  columns(range: Range): Range;
  /** Rows that begin at a multiple of this and are read as one piece. Default 1. */
  readonly together?: number;
}

/** Of an input whose rows and columns are read one for one. */
export const same = (rows: Rows): Input => ({ rows, reads: (y) => [y, y + 1], columns: (range) => range });

/** What one call of a program reads and writes, by slot: what was given to it, then what it makes (program.ts). */
export interface Call {
  readonly floats: readonly Float32Array[];
  readonly bytes: readonly Uint8ClampedArray[];
}

/** What a producer is to compute. */
export interface Step {
  readonly y: number;
  /** Rows of the block that exist. */
  readonly height: number;
  readonly left: number;
  readonly right: number;
}

/** What a producer works with. */
export interface Work {
  /** The output; all of them in `outputs`. */
  readonly y: Ring;
  readonly outputs: readonly Ring[];
  readonly inputs: readonly Ring[];
  /** Address of memory for the length of one step. */
  readonly scratch: number;
  /** Address of what `load` wrote. */
  readonly loaded: number;
  readonly call: Call;
}

export interface ProducerOptions {
  readonly inputs: readonly Input[];
  /** Rows computed at a time, from a multiple of it on. Default 1. */
  readonly block?: number;
  /** Columns are computed from a multiple of this on. Default 1. */
  readonly grid?: number;
  readonly scratchBytes?: number;
  /** Memory that is written before the first step and stays. */
  readonly load?: { readonly bytes: number; write(address: number, call: Call): void };
}

type Compute = (step: Step, work: Work) => void;

/** Computes rows of its outputs, which are equally high; a sink has none, it writes to the caller's memory. */
export class Producer {
  readonly outputs: readonly Rows[];
  readonly inputs: readonly Input[];
  readonly height: number;
  readonly block: number;
  readonly grid: number;
  readonly scratchBytes: number;
  readonly load: ProducerOptions['load'];
  readonly compute: Compute;

  constructor(
    outputs: readonly Shape[],
    height: number,
    { inputs, block = 1, grid = 1, scratchBytes = 0, load }: ProducerOptions,
    compute: Compute,
  ) {
    this.outputs = outputs.map((shape) => new Rows(shape, this));
    this.inputs = inputs;
    this.height = height;
    this.block = block;
    this.grid = grid;
    this.scratchBytes = scratchBytes;
    this.load = load;
    this.compute = compute;
  }
}

/** A tensor made by one op from others. */
export function produce(shape: Shape, options: ProducerOptions, compute: Compute): Rows {
  return new Producer([shape], shape[1], options, compute).outputs[0];
}

/** The largest multiple of `unit` up to `value`. */
export const floorTo = (value: number, unit: number): number => Math.floor(value / unit) * unit;
export const ceilTo = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
