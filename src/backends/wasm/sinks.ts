// How values leave a program: producers that write to the caller's memory as rows are made, so that no result is ever
// whole in wasm memory.
import type { Shape } from '../../core/tensor.js';
import type { Arena } from './arena.js';
import { ceilTo, type Input, Producer, type ProducerOptions, type Range, type Rows, same, type Work } from './rows.js';

const PART_BYTES = 512 * 1024; // of planes at a time: they stay in the L2 cache until they are copied out
const PLANE_SKEW = 64; // bytes between planes, so that they do not fall on the same cache sets

/**
 * Rows y..y+block-1, columns left..right-1 of an image: to be written to `address`, rows `row` and channels `plane`
 * bytes apart.
 */
export interface PlanesPart {
  readonly image: number;
  readonly y: number;
  readonly left: number;
  readonly right: number;
  readonly address: number;
  readonly row: number;
  readonly plane: number;
  readonly scratch: number;
}

/** A tensor [n, c, h, w] that only exists where it is written. */
export class Planes {
  readonly shape: Shape;
  /** block: output rows that are written together; output columns begin on multiples of grid. */
  readonly options: ProducerOptions;
  readonly write: (part: PlanesPart, work: Work) => void;

  constructor(shape: Shape, options: ProducerOptions, write: Planes['write']) {
    this.shape = shape;
    this.options = options;
    this.write = write;
  }
}

/** Writes all of x [n, h, w, c] to a slot of the call. */
export function rowsSink(arena: Arena, rows: Rows, slot: number): Producer {
  const [n, h, w, c] = rows.shape;
  return new Producer([], h, { inputs: [same(rows)] }, ({ y }, { inputs: [x], call }) => {
    for (let i = 0; i < n; i++) call.floats[slot].set(arena.f32(x.at(i, y, 0), w * c), (i * h + y) * w * c);
  });
}

/**
 * Writes all of x [n, c, h, w] to a slot of the call, in parts of whole rows, or of some columns of one block of rows.
 */
export function planesSink(arena: Arena, x: Planes, slot: number): Producer {
  const [n, c, h, w] = x.shape;
  const { inputs: sources, block: unit = 1, grid = 1, scratchBytes = 0 } = x.options;
  const rowsAtOnce = Math.floor(PART_BYTES / (c * w * unit * 4));
  const block = unit * Math.max(1, Math.min(rowsAtOnce, Math.ceil(h / unit)));
  const width = rowsAtOnce > 0 ? w : Math.min(w, Math.max(grid * 8, ceilTo(PART_BYTES / (c * unit * 4), grid)));
  const plane = block * width * 4 + PLANE_SKEW;
  const inputs: Input[] = sources.map((input) => ({
    ...input,
    reads: (y) => [input.reads(y)[0], input.reads(y + block - unit)[1]],
  }));
  const options = { inputs, block, scratchBytes: c * plane + scratchBytes };
  const views = new PartViews(arena, c, w, plane);
  return new Producer([], h, options, ({ y, height }, work) => {
    const { scratch, call } = work;
    const into = call.floats[slot];
    for (let image = 0; image < n; image++) {
      for (let left = 0; left < w; left += width) {
        const right = Math.min(left + width, w);
        const row = (right - left) * 4;
        for (let i = 0; i < height; i += unit) {
          const address = scratch + i * row;
          x.write({ image, y: y + i, left, right, address, row, plane, scratch: scratch + c * plane }, work);
        }
        const pieces = views.of(scratch, height, right - left);
        const perPlane = pieces.length / c;
        for (let ci = 0; ci < c; ci++) {
          for (let i = 0; i < perPlane; i++)
            into.set(pieces[ci * perPlane + i], ((image * c + ci) * h + y + i) * w + left);
        }
      }
    }
  });
}

/**
 * The pieces of a part that lie in one run in the result, plane by plane. Most parts are alike, and views take longer
 * to make than to copy.
 */
class PartViews {
  #pieces: readonly Float32Array[] = [];
  #scratch = 0;
  #height = 0;
  #width = 0;
  readonly #arena: Arena;
  readonly #planes: number;
  readonly #fullWidth: number;
  readonly #plane: number;

  /** @param plane bytes between planes */
  constructor(arena: Arena, planes: number, fullWidth: number, plane: number) {
    this.#arena = arena;
    this.#planes = planes;
    this.#fullWidth = fullWidth;
    this.#plane = plane;
  }

  of(scratch: number, height: number, width: number): readonly Float32Array[] {
    const known = this.#scratch === scratch && this.#height === height && this.#width === width;
    if (known && this.#pieces[0].length > 0) return this.#pieces; // empty: memory has grown, and they are detached
    // whole rows are one piece
    const [perPlane, length] = width === this.#fullWidth ? [1, height * width] : [height, width];
    this.#pieces = Array.from({ length: this.#planes * perPlane }, (_, i) =>
      this.#arena.f32(scratch + Math.floor(i / perPlane) * this.#plane + (i % perPlane) * width * 4, length),
    );
    [this.#scratch, this.#height, this.#width] = [scratch, height, width];
    return this.#pieces;
  }
}

/**
 * Writes the rows y..y+block-1 of an image, one after the other and up to 3 pixels after them, to `address`. `scratch`
 * is as in Work.
 */
export type WriteRows = (y: number, address: number, work: Work, scratch: number) => void;

/** An image that only exists where it is written. */
export class Result {
  readonly inputs: readonly Input[];
  readonly rows: Range;
  readonly columns: Range;
  readonly options: { readonly block: number; readonly scratchBytes: number };
  readonly write: WriteRows;

  constructor(inputs: readonly Input[], rows: Range, columns: Range, options: Result['options'], write: WriteRows) {
    this.inputs = inputs;
    this.rows = rows;
    this.columns = columns;
    this.options = options;
    this.write = write;
  }
}

/** Blocks of an image that are written together: what computes their rows does several in a run. */
const BLOCKS_AT_ONCE = 4;

/** Writes an image, 4 bytes a pixel, to a slot of the call. */
export function pixelsSink(arena: Arena, { inputs, rows, columns, options, write }: Result, slot: number): Producer {
  const [top, bottom] = rows;
  const unit = options.block;
  const block = BLOCKS_AT_ONCE * unit;
  const rowBytes = (columns[1] - columns[0]) * 4;
  const written = ceilTo(block * rowBytes + 12, 16);
  const sources = inputs.map(
    (input): Input => ({
      ...input,
      reads: (y) => [input.reads(y)[0], input.reads(Math.min(y + block, ceilTo(bottom, unit)) - unit)[1]],
    }),
  );
  const scratchBytes = written + options.scratchBytes;
  return new Producer([], bottom, { inputs: sources, block, scratchBytes }, ({ y }, work) => {
    const { scratch, call } = work;
    for (let row = y; row < Math.min(y + block, bottom); row += unit)
      write(row, scratch + (row - y) * rowBytes, work, scratch + written);
    const [from, to] = [Math.max(y, top), Math.min(y + block, bottom)];
    const pixels = arena.u8(scratch + (from - y) * rowBytes, (to - from) * rowBytes);
    call.bytes[slot].set(pixels, (from - top) * rowBytes);
  });
}

/**
 * Several sinks, each with its width, as one: each writes its share of rows in proportion, so that a pyramid's levels
 * advance together.
 */
export function jointSink(widths: ReadonlyMap<Producer, number>): Producer {
  const sinks = [...widths.keys()];
  const height = Math.max(...sinks.map((sink) => Math.ceil(sink.height / sink.block)));
  /** The blocks of a sink that are written in step y. */
  const share = ({ height: rows, block }: Producer, y: number): Range => {
    const blocks = Math.ceil(rows / block);
    return [Math.floor((y * blocks) / height), Math.floor(((y + 1) * blocks) / height)];
  };
  const inputs = sinks.flatMap((sink) =>
    sink.inputs.map(
      (input): Input => ({
        ...input,
        reads(y) {
          const [first, end] = share(sink, y);
          const from = input.reads(first * sink.block)[0];
          return [from, end > first ? input.reads((end - 1) * sink.block)[1] : from];
        },
        columns: () => input.columns([0, widths.get(sink)!]),
      }),
    ),
  );
  const scratchBytes = Math.max(...sinks.map((sink) => sink.scratchBytes));
  return new Producer([], height, { inputs, scratchBytes }, ({ y }, work) => {
    let first = 0;
    for (const sink of sinks) {
      const own = { ...work, inputs: work.inputs.slice(first, (first += sink.inputs.length)) };
      const [from, to] = share(sink, y);
      for (let row = from * sink.block; row < to * sink.block; row += sink.block)
        sink.compute({ y: row, height: Math.min(sink.block, sink.height - row), left: 0, right: 0 }, own);
    }
  });
}
