// What the ops of one program share, and how values get in and out: inputs are read from the caller's memory row by row, results are
// written to the caller's memory as they are made, so that none of them is ever whole in wasm memory (an input in NCHW is, since each of
// its rows is spread over all planes).
import { elements, type Shape } from '../../core/tensor.js';
import type { DeviceTensor } from '../backend.js';
import type { Arena } from './arena.js';
import type { Kernels } from './kernels.js';
import { ceilTo, execute, type Input, Producer, type ProducerOptions, type Range, Rows, type Step } from './rows.js';

const PART_BYTES = 512 * 1024; // of planes at a time: they stay in the L2 cache until they are copied out
const PLANE_SKEW = 64; // bytes between planes, so that they do not fall on the same cache sets
const MAX_ADDRESSES = 1024;

type ProduceOptions = Omit<ProducerOptions, 'height' | 'compute'>;

export interface Program {
  readonly arena: Arena;
  readonly wasm: Kernels;
  /** The tensor as rows to be pulled. */
  rows(x: WasmTensor): Rows;
  /** All values of a tensor, computed now, into `into` or memory of their own. */
  values(x: WasmTensor, into?: Float32Array): Float32Array;
  /** All values of a tensor, to be read only. */
  read(x: WasmTensor): Float32Array;
  /** Constants for the length of the program. */
  upload(values: Int32Array | Float32Array): number;
  /** Where `count` addresses lie, until the next call. */
  addresses(count: number, address: (i: number) => number): number;
}

/** The caller's values, as they are. */
class Source implements DeviceTensor {
  readonly shape: Shape;
  readonly data: Float32Array;
  rows?: Rows;

  constructor(data: Float32Array, shape: Shape) {
    this.data = data;
    this.shape = shape;
  }
}

/** Rows y..y+block-1, columns left..right-1 of an image: to be written to `address`, rows `row` and channels `plane` bytes apart. */
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

/** A result [n, c, h, w] that only exists where it is written. */
export class Planes implements DeviceTensor {
  readonly shape: Shape;
  /** block: output rows that are written together; output columns begin on multiples of grid. */
  readonly options: ProduceOptions;
  readonly write: (part: PlanesPart) => void;

  constructor(shape: Shape, options: ProduceOptions, write: Planes['write']) {
    this.shape = shape;
    this.options = options;
    this.write = write;
  }
}

export type WasmTensor = Source | Planes | Rows;

/** A tensor made by one op from others. */
export function produce(shape: Shape, options: ProduceOptions, compute: (y: Rows, step: Step) => void): Rows {
  const producer = new Producer({ ...options, height: shape[1], compute: (step) => compute(rows, step) });
  const rows = new Rows(shape, producer);
  return rows; // which `compute` closes over
}

/** Of an input whose rows and columns are read one for one. */
export const same = (rows: Rows): Input => ({ rows, reads: (y) => [y, y + 1], columns: (range) => range });

export function createProgram(arena: Arena, wasm: Kernels): Program {
  const table = arena.allocate(MAX_ADDRESSES * 4);
  let view: Int32Array = new Int32Array();
  const program: Program = {
    arena,
    wasm,

    rows(x) {
      if (x instanceof Rows) return x;
      const source = x instanceof Source ? x : new Source(program.values(x), x.shape);
      return (source.rows ??= sourceRows(arena, source));
    },

    values(x, into = new Float32Array(elements(x.shape))) {
      if (x instanceof Source) into.set(x.data);
      else if (x instanceof Planes) writePlanes(arena, x, into);
      else writeRows(arena, x, into);
      return into;
    },

    read: (x) => (x instanceof Source ? x.data : program.values(x)),

    upload(values) {
      const pointer = arena.allocate(values.byteLength);
      (values instanceof Int32Array ? arena.i32(pointer, values.length) : arena.f32(pointer, values.length)).set(
        values,
      );
      return pointer;
    },

    addresses(count, address) {
      if (view.length === 0) view = arena.i32(table, MAX_ADDRESSES); // memory that grew has detached it
      for (let i = 0; i < count; i++) view[i] = address(i);
      return table;
    },
  };
  return program;
}

export const createSource = (data: Float32Array, shape: Shape): WasmTensor => new Source(data, shape);

function sourceRows(arena: Arena, { data, shape }: Source): Rows {
  const [n, h, w, c] = shape;
  return produce(shape, { inputs: [] }, (y, { y: row, left, right }) => {
    for (let i = 0; i < n; i++) {
      const from = ((i * h + row) * w + left) * c;
      arena.f32(y.at(i, row, left), (right - left) * c).set(data.subarray(from, from + (right - left) * c));
    }
  });
}

function writeRows(arena: Arena, x: Rows, into: Float32Array): void {
  const [n, h, w, c] = x.shape;
  const compute = ({ y }: Step): void => {
    for (let i = 0; i < n; i++) into.set(arena.f32(x.at(i, y, 0), w * c), (i * h + y) * w * c);
  };
  execute(arena, new Producer({ inputs: [same(x)], height: h, compute }), [0, h], [0, w]);
}

function writePlanes(arena: Arena, x: Planes, into: Float32Array): void {
  const [n, c, h, w] = x.shape;
  const { inputs: sources, block: unit = 1, grid = 1, scratchBytes = 0 } = x.options;
  const rowsAtOnce = Math.floor(PART_BYTES / (c * w * unit * 4));
  const block = unit * Math.max(1, Math.min(rowsAtOnce, Math.ceil(h / unit)));
  const width = rowsAtOnce > 0 ? w : Math.min(w, Math.max(grid * 8, ceilTo(PART_BYTES / (c * unit * 4), grid)));
  const plane = block * width * 4 + PLANE_SKEW;
  const inputs = sources.map((input) => ({
    ...input,
    reads: (y: number): Range => [input.reads(y)[0], input.reads(y + block - unit)[1]],
  }));
  const piecesOf = (scratch: number, height: number, width: number): Float32Array[] => {
    // of a part, plane by plane: whole rows are one piece
    const [pieces, length] = width === w ? [1, height * width] : [height, width];
    return Array.from({ length: c * pieces }, (_, i) =>
      arena.f32(scratch + Math.floor(i / pieces) * plane + (i % pieces) * width * 4, length),
    );
  };
  let last = { height: 0, width: 0, pieces: [] as Float32Array[] }; // most parts are alike, and views take longer to make than to copy
  const compute = ({ y, height, scratch }: Step): void => {
    for (let image = 0; image < n; image++) {
      for (let left = 0; left < w; left += width) {
        const right = Math.min(left + width, w);
        const row = (right - left) * 4;
        for (let i = 0; i < height; i += unit)
          x.write({
            image,
            y: y + i,
            left,
            right,
            address: scratch + i * row,
            row,
            plane,
            scratch: scratch + c * plane,
          });
        if (last.height !== height || last.width !== right - left)
          last = { height, width: right - left, pieces: piecesOf(scratch, height, right - left) };
        const perPlane = last.pieces.length / c;
        for (let ci = 0; ci < c; ci++) {
          for (let i = 0; i < perPlane; i++)
            into.set(last.pieces[ci * perPlane + i], ((image * c + ci) * h + y + i) * w + left);
        }
      }
    }
  };
  execute(
    arena,
    new Producer({ inputs, height: h, block, scratchBytes: c * plane + scratchBytes, compute }),
    [0, h],
    [0, w],
  );
}

export function writePixels(
  arena: Arena,
  inputs: readonly Input[],
  rows: Range,
  columns: Range,
  row: (y: number, address: number) => void,
): Uint8ClampedArray {
  const width = columns[1] - columns[0];
  const pixels = new Uint8ClampedArray((rows[1] - rows[0]) * width * 4);
  const compute = ({ y, scratch }: Step): void => {
    row(y, scratch);
    pixels.set(arena.u8(scratch, width * 4), (y - rows[0]) * width * 4);
  };
  execute(arena, new Producer({ inputs, height: rows[1], scratchBytes: width * 4, compute }), rows, columns);
  return pixels;
}
