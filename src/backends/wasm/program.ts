// What the ops of one program become: tensors and images as they are computed, and a plan for everything that is
// written to the caller's memory. Inputs are read from the caller's memory row by row, so that none of them is whole in
// wasm memory (one in NCHW is, since each of its rows is spread over all planes). Nothing here depends on the values,
// so one program serves all calls that are alike (trace.ts).
import { elements, type Shape } from '../../core/tensor.js';
import type { Arena } from './arena.js';
import type { Kernels } from './kernels.js';
import { execute, type Plan, plan } from './plan.js';
import { type Call, produce, type Producer, Rows, same } from './rows.js';
import { jointSink, type Planes, pixelsSink, planesSink, Result, rowsSink } from './sinks.js';

const MAX_ADDRESSES = 1024;
/** Read at a time from the caller's image. */
const IMAGE_ROWS = 4;

/** One instance of a build. */
export class Machine {
  readonly arena: Arena;
  readonly wasm: Kernels;
  readonly #table: number;
  #view: Int32Array = new Int32Array();

  constructor(arena: Arena, wasm: Kernels) {
    this.arena = arena;
    this.wasm = wasm;
    this.#table = arena.allocate(MAX_ADDRESSES * 4);
  }

  /** Where `count` addresses lie, until the next call. */
  addresses(count: number, address: (i: number) => number): number {
    // memory that grew has detached it
    if (this.#view.length === 0) this.#view = this.arena.i32(this.#table, MAX_ADDRESSES);
    for (let i = 0; i < count; i++) this.#view[i] = address(i);
    return this.#table;
  }
}

/** The caller's values. */
export class Source {
  readonly shape: Shape;
  readonly slot: number; // of Call.floats

  constructor(shape: Shape, slot: number) {
    this.shape = shape;
    this.slot = slot;
  }
}

/** What an op computes: rows that are pulled, planes that are written, or nothing, since the caller has it. */
export type Values = Source | Rows | Planes;

/** The caller's image. */
export class Image {
  readonly slot: number; // of Call.bytes

  constructor(slot: number) {
    this.slot = slot;
  }
}

/** Rows: of values that are pixels. */
export type Pixels = Image | Result | Rows;

export class Program {
  readonly machine: Machine;
  readonly #plans: Plan[] = [];
  readonly #given: { readonly floats: number; readonly bytes: number };
  /** Lengths of the slots after those that are given. */
  readonly #floats: number[] = [];
  readonly #bytes: number[] = [];
  readonly #stored = new Map<Values | Pixels, number>();
  readonly #sources = new Map<number, Rows>();
  readonly #images = new Map<number, Rows>();

  /** @param given how many tensors and images a call brings along */
  constructor(machine: Machine, given: { floats: number; bytes: number }) {
    this.machine = machine;
    this.#given = given;
  }

  get wasm(): Kernels {
    return this.machine.wasm;
  }

  /** The tensor as rows to be pulled. */
  rows(x: Values): Rows {
    if (x instanceof Rows) return x;
    const slot = this.values(x);
    let rows = this.#sources.get(slot);
    if (!rows) this.#sources.set(slot, (rows = this.#sourceRows(x.shape, slot)));
    return rows;
  }

  /** The image as rows to be pulled, of values that are pixels. */
  pixelRows(x: Pixels, width: number, height: number): Rows {
    if (x instanceof Rows) return x;
    const slot = this.pixels(x);
    let rows = this.#images.get(slot);
    if (!rows) this.#images.set(slot, (rows = this.#imageRows([1, height, width, 1], slot)));
    return rows;
  }

  /** The slot of all values of a tensor. They are there before what is planned later runs. */
  values(x: Values): number {
    if (x instanceof Source) return x.slot;
    return this.#store(x, this.#given.floats, this.#floats, elements(x.shape), (slot) => {
      const [, height, width] = x.shape;
      const { arena } = this.machine;
      if (x instanceof Rows) return plan(rowsSink(arena, x, slot), [0, height], [0, width]);
      return plan(planesSink(arena, x, slot), [0, x.shape[2]], [0, x.shape[3]]);
    });
  }

  /**
   * The slots of several tensors, written side by side by one plan: what they have in common is computed once, and no
   * tensor on the way is ever whole.
   */
  allValues(xs: readonly Values[]): number[] {
    const { arena } = this.machine;
    const sinks = new Map<Producer, number>();
    const slots = xs.map((x) => {
      if (x instanceof Source) return x.slot;
      return this.#place(x, this.#given.floats, this.#floats, elements(x.shape), (slot) => {
        if (x instanceof Rows) sinks.set(rowsSink(arena, x, slot), x.shape[2]);
        else sinks.set(planesSink(arena, x, slot), x.shape[3]);
      });
    });
    if (sinks.size > 0) {
      const joint = jointSink(sinks);
      this.#plans.push(plan(joint, [0, joint.height], [0, 1]));
    }
    return slots;
  }

  /** The slot of an image's bytes. */
  pixels(x: Pixels): number {
    if (x instanceof Image) return x.slot;
    const result = x instanceof Rows ? this.#copy(x) : x;
    const width = result.columns[1] - result.columns[0];
    return this.#store(x, this.#given.bytes, this.#bytes, (result.rows[1] - result.rows[0]) * width * 4, (slot) =>
      plan(pixelsSink(this.machine.arena, result, slot), result.rows, result.columns),
    );
  }

  #copy(x: Rows): Result {
    const [, height, width] = x.shape;
    const { arena } = this.machine;
    return new Result([same(x)], [0, height], [0, width], { block: 1, scratchBytes: 0 }, (y, address, { inputs }) => {
      arena.u8(address, width * 4).set(arena.u8(inputs[0].at(0, y, 0), width * 4));
    });
  }

  /** @param into takes the values of slot `result`. @throws {CarafeError} OutOfMemory */
  run(given: Call, result?: number, into?: Float32Array): Call {
    const floats = [...given.floats, ...this.#floats.map((length) => new Float32Array(length))];
    if (into && result! >= given.floats.length) floats[result!] = into;
    const bytes = [...given.bytes, ...this.#bytes.map((length) => new Uint8ClampedArray(length))];
    const call = { floats, bytes };
    for (const planned of this.#plans) execute(planned, this.machine.arena, call);
    return call;
  }

  #store(x: Values | Pixels, given: number, lengths: number[], length: number, planOf: (slot: number) => Plan): number {
    return this.#place(x, given, lengths, length, (slot) => this.#plans.push(planOf(slot)));
  }

  /** A slot for the values of x; `fill` sees to what writes them, if there are any and they have no slot yet. */
  #place(x: Values | Pixels, given: number, lengths: number[], length: number, fill: (slot: number) => void): number {
    let slot = this.#stored.get(x);
    if (slot !== undefined) return slot;
    slot = given + lengths.length;
    lengths.push(length);
    this.#stored.set(x, slot);
    if (length > 0) fill(slot);
    return slot;
  }

  #imageRows(shape: Shape, slot: number): Rows {
    const [, , width] = shape;
    const { arena } = this.machine;
    const options = { inputs: [], block: IMAGE_ROWS };
    return produce(shape, options, ({ y: row, height, left, right }, { y, call }) => {
      const from = (row * width + left) * 4;
      const size = ((height - 1) * width + right - left) * 4; // nobody reads beside an image: its rows have no margins
      arena.u8(y.at(0, row, left), size).set(call.bytes[slot].subarray(from, from + size));
    });
  }

  #sourceRows(shape: Shape, slot: number): Rows {
    const [n, h, w, c] = shape;
    const { arena } = this.machine;
    return produce(shape, { inputs: [] }, ({ y: row, left, right }, { y, call }) => {
      const length = (right - left) * c;
      for (let i = 0; i < n; i++) {
        const from = ((i * h + row) * w + left) * c;
        arena.f32(y.at(i, row, left), length).set(call.floats[slot].subarray(from, from + length));
      }
    });
  }
}
