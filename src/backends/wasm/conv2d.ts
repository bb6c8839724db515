// conv2d on assembly/conv2d.ts, and on assembly/winograd.ts where that pays: places their weights, and says which rows they read.
import { type Activation, convShape } from '../../core/shapes.js';
import { BLOCK, type ConvOptions, type ConvWeights, type DeviceConv } from '../backend.js';
import type { Arena } from './arena.js';
import { ANY_SLOPE, HARDSWISH, SILU, TILE_PIXELS } from './constants.js';
import { packConv, packWinograd } from './pack.js';
import { produce, type Program, same, type WasmTensor } from './program.js';
import { ceilTo, type Input, type Rows, type Step } from './rows.js';

export interface WasmConv extends DeviceConv {
  readonly weights: number;
  readonly bias: number;
  readonly winograd: number;
} // pointers; winograd 0: none

const MAX_BLOCK_ROWS = 4;

export function placeConv(arena: Arena, conv: ConvWeights): WasmConv {
  const packed = packConv(conv);
  const upload = (values: Float32Array): number => {
    const pointer = arena.allocate(values.byteLength);
    arena.f32(pointer, values.length).set(values);
    return pointer;
  };
  const [weights, bias] = [upload(packed.weights), upload(packed.bias)];
  const winograd = winogradPays(conv) ? upload(packWinograd(conv)) : 0;
  return {
    cOut: conv.cOut,
    cIn: conv.cIn,
    k: conv.k,
    weights,
    bias,
    winograd,
    ...(winograd !== 0 && { reach: BLOCK }),
  };
}

/** Where the transforms cost less than they save. */
function winogradPays({ k, cIn, cOut, exact = false }: ConvWeights): boolean {
  return !exact && k === 3 && cIn % 4 === 0 && cIn >= 8 && cOut >= 4;
}

/** What is done to a sum when it is complete: by the tile itself, or, with a `curve`, by assembly's activate(), residual included. */
interface Epilogue {
  readonly slope: number;
  readonly curve?: number;
  readonly residual?: Rows;
}

const CURVES: Partial<Record<Activation, number>> = { silu: SILU, hardswish: HARDSWISH };

export function conv2d(
  program: Program,
  x: WasmTensor,
  conv: WasmConv,
  { dilation, activation, slope, residual }: ConvOptions<WasmTensor>,
): Rows {
  const epilogue: Epilogue = {
    slope: activation === 'relu' ? 0 : activation === 'leaky-relu' ? slope : 1,
    curve: activation === 'leaky-relu' && slope > 1 ? ANY_SLOPE : CURVES[activation],
    residual: residual && program.rows(residual),
  };
  return conv.winograd !== 0 && dilation === 1
    ? winograd(program, program.rows(x), conv, epilogue)
    : direct(program, program.rows(x), conv, dilation, epilogue);
}

/** What a tile does of the epilogue of the row at (image, row, left). */
function inTile(
  { slope, curve, residual }: Epilogue,
  image: number,
  row: number,
  left: number,
): { slope: number; residual: number } {
  if (curve !== undefined) return { slope: 1, residual: 0 };
  return { slope, residual: residual ? residual.at(image, row, left) : 0 };
}

/** And what is left to do. */
function finish(
  program: Program,
  { slope, curve, residual }: Epilogue,
  y: Rows,
  image: number,
  row: number,
  { left, right }: Step,
): void {
  if (curve === undefined) return;
  program.wasm.activate(
    y.at(image, row, left),
    residual ? residual.at(image, row, left) : 0,
    (right - left) * y.shape[3],
    curve,
    slope,
  );
}

function direct(
  program: Program,
  x: Rows,
  { weights, bias, cIn, cOut, k }: WasmConv,
  dilation: number,
  epilogue: Epilogue,
): Rows {
  const [n, , w] = x.shape;
  const p = ((k - 1) / 2) * dilation;
  const inputs: Input[] = [
    { rows: x, reads: (y) => [y - p, y + p + 1], columns: ([left, right]) => [left - p, right + p] },
  ];
  if (epilogue.residual) inputs.push(same(epilogue.residual));
  const scratchBytes = program.wasm.conv2dScratch(w, cIn, k, dilation);
  return produce(convShape(x.shape, cIn, cOut), { inputs, scratchBytes }, (y, step) => {
    const { y: row, left, right, scratch } = step;
    for (let i = 0; i < n; i++) {
      const rows = program.addresses(k, (ky) => x.at(i, row - p + ky * dilation, left - p));
      const { slope, residual } = inTile(epilogue, i, row, left);
      program.wasm.conv2d(
        rows,
        weights,
        bias,
        residual,
        y.at(i, row, left),
        scratch,
        right - left,
        cIn,
        cOut,
        k,
        dilation,
        slope,
      );
      finish(program, epilogue, y, i, row, step);
    }
  });
}

function winograd(
  program: Program,
  x: Rows,
  { winograd: weights, bias, cIn, cOut }: WasmConv,
  epilogue: Epilogue,
): Rows {
  const [n, h, w] = x.shape;
  const block = BLOCK * blockRows(Math.ceil(w / BLOCK), Math.ceil(h / BLOCK));
  const inputs: Input[] = [
    {
      rows: x,
      reads: (y) => [y - 1, y + block + 1],
      columns: ([left, right]) => [left - 1, left + ceilTo(right - left, BLOCK) + 1],
    },
  ];
  if (epilogue.residual)
    inputs.push({ rows: epilogue.residual, reads: (y) => [y, y + block], columns: (range) => range, together: block });
  const scratchBytes = program.wasm.winogradScratch(cIn, cOut);
  return produce(convShape(x.shape, cIn, cOut), { inputs, block, grid: BLOCK, scratchBytes }, (y, step) => {
    const { y: row, height, left, right, scratch } = step;
    for (let i = 0; i < n; i++) {
      const rows = program.addresses(ceilTo(height, BLOCK) + 2, (j) => x.at(i, row - 1 + j, left - 1));
      const { slope, residual } = inTile(epilogue, i, row, left);
      program.wasm.winograd(
        rows,
        weights,
        bias,
        residual,
        epilogue.residual?.rowBytes ?? 0,
        y.at(i, row, left),
        y.rowBytes,
        scratch,
        height,
        right - left,
        cIn,
        cOut,
        slope,
      );
      for (let j = 0; j < height; j++) finish(program, epilogue, y, i, row + j, step);
    }
  });
}

/** How many rows of blocks are computed together: GEMM tiles are TILE_PIXELS blocks high, and narrow images would leave them half empty. */
function blockRows(across: number, down: number): number {
  let best = { rows: 1, waste: Infinity };
  for (let rows = 1; rows <= Math.min(MAX_BLOCK_ROWS, down); rows++) {
    const waste = ceilTo(across * rows, TILE_PIXELS) / (across * rows);
    if (waste < best.waste - 0.02) best = { rows, waste };
  }
  return best.rows;
}
