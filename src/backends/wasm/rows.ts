// Programs run by rows: an op is a producer that computes a few rows of its output from a few rows of its inputs, and what consumes the
// result pulls. So the stages of a network follow one another through the image a stripe behind each other, every tensor between them
// is a ring of the rows that are still needed, all of them lie in the L2 cache, and rows and columns that nobody needs (a tile's halo,
// further and further in) are never computed.
// A plan is made before anything runs: which rows and columns of a tensor are needed, how many rows at a time, where its ring is.
import type { Shape } from '../../core/tensor.js';
import type { DeviceTensor } from '../backend.js';
import type { Arena } from './arena.js';
import { TILE_PIXELS } from './constants.js';

/** Columns or rows from..to-1; for what an op reads they may lie outside its input, where it reads zeros. */
export type Range = readonly [from: number, to: number];

/** A tensor [n, h, w, c] of which some rows exist at a time. */
export class Rows implements DeviceTensor {
  readonly shape: Shape;
  readonly producer: Producer;
  // The plan: a ring of `slots` rows for each image at `base`, each with `margin` zero columns on both sides.
  base = 0;
  slots = 0;
  multiple = 1; // of slots, so that rows that are read together lie one after the other
  margin = 0;
  zeros = 0;

  constructor(shape: Shape, producer: Producer) {
    this.shape = shape;
    this.producer = producer;
    producer.outputs.push(this);
  }

  /** Bytes from a row to the next. */
  get rowBytes(): number {
    return (this.shape[2] + 2 * this.margin) * this.shape[3] * 4;
  }

  /** Address of column x, which may lie in the margin, of row y; of zeros if there is no such row. */
  at(image: number, y: number, x: number): number {
    if (y < 0 || y >= this.shape[1]) return this.zeros;
    return this.base + (image * this.slots + (y % this.slots)) * this.rowBytes + (x + this.margin) * this.shape[3] * 4;
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

export interface Step {
  readonly y: number;
  /** Rows of the block that exist. */
  readonly height: number;
  /** The columns to compute. */
  readonly left: number;
  readonly right: number;
  /** Memory for the length of one step. */
  readonly scratch: number;
}

export interface ProducerOptions {
  readonly inputs: readonly Input[];
  /** Rows of each output. */
  readonly height: number;
  /** Rows computed at a time, from a multiple of it on. Default 1. */
  readonly block?: number;
  /** Columns are computed from a multiple of this on. Default 1. */
  readonly grid?: number;
  readonly scratchBytes?: number;
  readonly compute: (step: Step) => void;
}

/** Computes rows of its outputs; a sink has none, it writes to the caller's memory. */
export class Producer {
  readonly inputs: readonly Input[];
  readonly outputs: Rows[] = [];
  readonly height: number;
  readonly block: number;
  readonly grid: number;
  readonly scratchBytes: number;
  readonly compute: (step: Step) => void;
  // The plan: rows `first`..`next`-1 exist, of columns left..right-1.
  first = 0;
  next = 0;
  left = 0;
  right = 0;

  constructor({ inputs, height, block = 1, grid = 1, scratchBytes = 0, compute }: ProducerOptions) {
    this.inputs = inputs;
    this.height = height;
    this.block = block;
    this.grid = grid;
    this.scratchBytes = scratchBytes;
    this.compute = compute;
  }
}

/** The largest multiple of `unit` up to `value`. */
const floorTo = (value: number, unit: number): number => Math.floor(value / unit) * unit;
export const ceilTo = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Runs `sink` on its rows and columns, and with it all that it needs. @throws {CarafeError} OutOfMemory */
export function execute(arena: Arena, sink: Producer, rows: Range, columns: Range): void {
  const order = consumersFirst(sink);
  findRegions(order, rows, columns);
  const steps: { producer: Producer; y: number }[] = [];
  pull(sink, rows[1], steps);
  const mark = arena.mark();
  const scratch = placeRings(arena, order);
  for (const { producer, y } of steps) {
    producer.compute({
      y,
      height: Math.min(producer.block, producer.height - y),
      left: producer.left,
      right: producer.right,
      scratch,
    });
  }
  arena.release(mark);
}

/** Which rows and columns of each producer are needed, from those of the sink. */
function findRegions(order: readonly Producer[], rows: Range, columns: Range): void {
  for (const producer of order) Object.assign(producer, { first: Infinity, left: Infinity, right: 0 });
  Object.assign(order[0], { first: rows[0], left: columns[0], right: columns[1] });
  for (const own of order) {
    own.first = floorTo(own.first, own.block);
    own.next = own.first;
    own.left = floorTo(own.left, own.grid);
    for (const { rows: input, reads, columns: read, together = 1 } of own.inputs) {
      const theirs = input.producer;
      const [, , w] = input.shape;
      const [left, right] = read([own.left, own.right]);
      input.margin = Math.max(input.margin, -left, right - w);
      input.multiple = leastCommonMultiple(input.multiple, together);
      theirs.left = Math.min(theirs.left, Math.max(0, left));
      theirs.right = Math.max(theirs.right, Math.min(w, right));
      theirs.first = Math.min(theirs.first, floorTo(Math.max(0, reads(own.first)[0]), together));
    }
  }
}

/** Appends the steps that make rows up to `end` exist, and counts how many rows of each tensor live meanwhile. */
function pull(producer: Producer, end: number, steps: { producer: Producer; y: number }[]): void {
  for (; producer.next < end; producer.next += producer.block) {
    for (const { rows: input, reads, together = 1 } of producer.inputs) {
      pull(input.producer, Math.min(ceilTo(reads(producer.next)[1], together), input.producer.height), steps);
    }
    for (const { rows: input, reads, together = 1 } of producer.inputs) {
      // when all are there: one may have pulled another on
      input.slots = Math.max(
        input.slots,
        input.producer.next - floorTo(Math.max(0, reads(producer.next)[0]), together),
      );
    }
    steps.push({ producer, y: producer.next });
  }
}

/** Memory for every tensor, and for the steps: its address. */
function placeRings(arena: Arena, order: readonly Producer[]): number {
  const tensors = order.flatMap(({ outputs }) => outputs);
  const zeroBytes = Math.max(0, ...tensors.map(({ rowBytes }) => rowBytes));
  const zeros = arena.allocate(zeroBytes);
  arena.u8(zeros, zeroBytes).fill(0);
  for (const tensor of tensors) {
    const { block, height } = tensor.producer;
    const slots = Math.max(block, Math.min(tensor.slots, ceilTo(height, block)));
    tensor.zeros = zeros;
    tensor.slots = ceilTo(slots, leastCommonMultiple(tensor.multiple, block));
    const bytes = tensor.shape[0] * tensor.slots * tensor.rowBytes;
    tensor.base = arena.allocate(bytes);
    if (tensor.margin > 0) arena.u8(tensor.base, bytes).fill(0);
  }
  const scratch = arena.allocate(Math.max(...order.map(({ scratchBytes }) => scratchBytes)));
  arena.allowReadingPast(TILE_PIXELS * 4 * Math.max(0, ...tensors.map(({ shape }) => shape[3])));
  return scratch;
}

/** All producers behind `sink`, each after everything that reads it. */
function consumersFirst(sink: Producer): Producer[] {
  const order: Producer[] = [];
  const seen = new Set<Producer>();
  const visit = (producer: Producer): void => {
    if (seen.has(producer)) return;
    seen.add(producer);
    for (const { rows } of producer.inputs) visit(rows.producer);
    order.push(producer);
  };
  visit(sink);
  return order.reverse();
}
