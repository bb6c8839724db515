// A plan: which rows and columns of every tensor are computed, in which order, and where they lie. It is made before
// anything runs, depends on nothing but the producers, and is carried out as often as one likes.
import type { Shape } from '../../core/tensor.js';
import type { Arena } from './arena.js';
import { TILE_PIXELS } from './constants.js';
import { Ring } from './ring.js';
import { type Call, ceilTo, floorTo, type Producer, type Range, type Rows, type Work } from './rows.js';

const ALIGNMENT = 64; // bytes: a cache line

/** A tensor's ring; `offset` is from the plan's memory on, as all offsets here. */
export interface PlannedRing {
  readonly shape: Shape;
  readonly slots: number;
  readonly margin: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface PlannedProducer {
  readonly producer: Producer;
  /** The columns it computes. */
  readonly left: number;
  readonly right: number;
  /** Indices of rings. */
  readonly outputs: readonly number[];
  readonly inputs: readonly number[];
  /** Offset of what it loads. */
  readonly loaded: number;
}

export interface Plan {
  /** Consumers first: the sink is number 0. */
  readonly producers: readonly PlannedProducer[];
  readonly rings: readonly PlannedRing[];
  /** Pairs: the number of a producer, and the first row of the block that it computes. */
  readonly steps: Int32Array;
  /** A row of zeros, as long as the longest. */
  readonly zeros: { readonly offset: number; readonly bytes: number };
  readonly scratch: number;
  readonly bytes: number;
  /** Kernels read so far past the end of memory; what lies there is not used. */
  readonly readPast: number;
}

/** The columns that a producer computes, and its first row. */
interface Region {
  first: number;
  left: number;
  right: number;
}

/** What a ring has to hold. */
interface Needs {
  margin: number;
  slots: number;
  multiple: number; // of slots, so that rows that are read together lie one after the other
}

/** The plan that computes these rows and columns of `sink`, and with them all that they need. */
export function plan(sink: Producer, rows: Range, columns: Range): Plan {
  const order = consumersFirst(sink);
  const needs = new Map(
    order.flatMap(({ outputs, block }) => outputs.map((tensor) => [tensor, { margin: 0, slots: 0, multiple: block }])),
  );
  const regions = findRegions(order, rows, columns, needs);
  const steps = schedule(order, rows[1], regions, needs);
  return layOut(order, regions, needs, steps);
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

/** From where on rows, and which columns, of each producer are needed; and the margins that are read beside them. */
function findRegions(
  order: readonly Producer[],
  rows: Range,
  columns: Range,
  needs: ReadonlyMap<Rows, Needs>,
): Map<Producer, Region> {
  const regions = new Map(order.map((producer) => [producer, { first: Infinity, left: Infinity, right: 0 }]));
  Object.assign(regions.get(order[0])!, { first: rows[0], left: columns[0], right: columns[1] });
  for (const producer of order) {
    const own = regions.get(producer)!;
    own.first = floorTo(own.first, producer.block);
    own.left = floorTo(own.left, producer.grid);
    for (const { rows: input, reads, columns: read, together = 1 } of producer.inputs) {
      const theirs = regions.get(input.producer)!;
      const ring = needs.get(input)!;
      const [, , w] = input.shape;
      const [left, right] = read([own.left, own.right]);
      ring.margin = Math.max(ring.margin, -left, right - w);
      ring.multiple = leastCommonMultiple(ring.multiple, together);
      theirs.left = Math.min(theirs.left, Math.max(0, left));
      theirs.right = Math.max(theirs.right, Math.min(w, right));
      theirs.first = Math.min(theirs.first, floorTo(Math.max(0, reads(own.first)[0]), together));
    }
  }
  return regions;
}

/** The steps that compute the sink's rows up to `end`, and how many rows of each tensor live meanwhile. */
function schedule(
  order: readonly Producer[],
  end: number,
  regions: ReadonlyMap<Producer, Region>,
  needs: ReadonlyMap<Rows, Needs>,
): Int32Array {
  const number = new Map(order.map((producer, i) => [producer, i]));
  const next = new Map(order.map((producer) => [producer, regions.get(producer)!.first]));
  const steps: number[] = [];
  const pull = (producer: Producer, until: number): void => {
    for (let y = next.get(producer)!; y < until; y += producer.block) {
      for (const { rows: input, reads, together = 1 } of producer.inputs)
        pull(input.producer, Math.min(ceilTo(reads(y)[1], together), input.producer.height));
      for (const { rows: input, reads, together = 1 } of producer.inputs) {
        // when all are there: one may have pulled another on
        const ring = needs.get(input)!;
        ring.slots = Math.max(ring.slots, next.get(input.producer)! - floorTo(Math.max(0, reads(y)[0]), together));
      }
      steps.push(number.get(producer)!, y);
      next.set(producer, y + producer.block);
    }
  };
  pull(order[0], end);
  return Int32Array.from(steps);
}

/** Places every tensor, what is loaded, and the scratch of the steps. */
function layOut(
  order: readonly Producer[],
  regions: ReadonlyMap<Producer, Region>,
  needs: ReadonlyMap<Rows, Needs>,
  steps: Int32Array,
): Plan {
  let bytes = 0;
  const place = (size: number): number => {
    const offset = bytes;
    bytes += ceilTo(size, ALIGNMENT);
    return offset;
  };
  const rowBytes = ([, , w, c]: Shape, margin: number): number => (w + 2 * margin) * c * 4;
  const tensors = [...needs];
  const zeroBytes = Math.max(0, ...tensors.map(([{ shape }, { margin }]) => rowBytes(shape, margin)));
  const zeros = { offset: place(zeroBytes), bytes: zeroBytes };
  const numbers = new Map(tensors.map(([tensor], i) => [tensor, i]));
  const rings = tensors.map(([{ shape, producer }, { margin, slots: live, multiple }]): PlannedRing => {
    const { block, height } = producer;
    const slots = ceilTo(Math.max(block, Math.min(live, ceilTo(height, block))), multiple);
    const size = shape[0] * slots * rowBytes(shape, margin);
    return { shape, slots, margin, offset: place(size), bytes: size };
  });
  const producers = order.map((producer): PlannedProducer => {
    const { left, right } = regions.get(producer)!;
    return {
      producer,
      left,
      right,
      outputs: producer.outputs.map((tensor) => numbers.get(tensor)!),
      inputs: producer.inputs.map(({ rows }) => numbers.get(rows)!),
      loaded: place(producer.load?.bytes ?? 0),
    };
  });
  const scratch = place(Math.max(...order.map(({ scratchBytes }) => scratchBytes)));
  const readPast = TILE_PIXELS * 4 * Math.max(0, ...tensors.map(([{ shape }]) => shape[3]));
  return { producers, rings, steps, zeros, scratch, bytes, readPast };
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Carries out a plan. @throws {CarafeError} OutOfMemory */
export function execute(planned: Plan, arena: Arena, call: Call): void {
  const mark = arena.mark();
  const base = arena.allocate(planned.bytes);
  arena.allowReadingPast(planned.readPast);
  const zeros = base + planned.zeros.offset;
  arena.u8(zeros, planned.zeros.bytes).fill(0);
  const rings = planned.rings.map(({ shape, slots, margin, offset, bytes }) => {
    if (margin > 0) arena.u8(base + offset, bytes).fill(0);
    return new Ring(shape, slots, margin, base + offset, zeros);
  });
  const works = planned.producers.map(({ producer, outputs, inputs, loaded }): Work => {
    const own = outputs.map((ring) => rings[ring]);
    producer.load?.write(base + loaded, call);
    return {
      y: own[0],
      outputs: own,
      inputs: inputs.map((ring) => rings[ring]),
      scratch: base + planned.scratch,
      loaded: base + loaded,
      call,
    };
  });
  const { steps } = planned;
  for (let i = 0; i < steps.length; i += 2) {
    const { producer, left, right } = planned.producers[steps[i]];
    const y = steps[i + 1];
    producer.compute({ y, height: Math.min(producer.block, producer.height - y), left, right }, works[steps[i]]);
  }
  arena.release(mark);
}
