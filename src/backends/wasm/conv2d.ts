// conv2d on assembly/conv2d.ts, and on assembly/winograd.ts or narrow-conv.ts where that pays: places their weights,
// and says which rows they read.
import type { Activation } from '../../core/shapes.js';
import { BLOCK, type ConvWeights, type DeviceConv } from '../backend.js';
import type { Arena } from './arena.js';
import { ANY_SLOPE, HARDSWISH, SILU, TILE_PIXELS } from './constants.js';
import type { Kernels } from './kernels.js';
import { packConv, packNarrow, packWinograd } from './pack.js';
import type { Program, Values } from './program.js';
import type { Ring } from './ring.js';
import { ceilTo, type Input, produce, type Rows, same, type Work } from './rows.js';

export interface WasmConv extends DeviceConv {
  readonly weights: number;
  readonly bias: number;
  readonly winograd: number;
  readonly narrow: number;
  /** All that was placed: pointer and bytes. */
  readonly blocks: readonly (readonly [pointer: number, bytes: number])[];
} // pointers; winograd and narrow 0: none

const MAX_BLOCK_ROWS = 4;

export function placeConv(arena: Arena, conv: ConvWeights): WasmConv {
  const packed = packConv(conv);
  const blocks: [pointer: number, bytes: number][] = [];
  const upload = (values: Float32Array): number => {
    const pointer = arena.keep(values);
    blocks.push([pointer, values.byteLength]);
    return pointer;
  };
  const [weights, bias] = [upload(packed.weights), upload(packed.bias)];
  const narrow = narrowPays(conv) ? upload(packNarrow(conv)) : 0;
  const winograd = narrow === 0 && winogradPays(conv) ? upload(packWinograd(conv)) : 0;
  return {
    cOut: conv.cOut,
    cIn: conv.cIn,
    k: conv.k,
    weights,
    bias,
    winograd,
    narrow,
    blocks,
    ...(winograd !== 0 && { reach: BLOCK }),
  };
}

export function releaseConv(arena: Arena, { blocks }: WasmConv): void {
  for (const [pointer, bytes] of blocks) arena.giveBack(pointer, bytes);
}

/** Where the transforms cost less than they save. */
function winogradPays({ k, cIn, cOut, exact = false }: ConvWeights): boolean {
  return !exact && k === 3 && cIn % 4 === 0 && cIn >= 8 && cOut >= 2;
}

/** To few channels from few: where Winograd's transforms cost more than they save, and tiles of GEMM are half empty. */
function narrowPays({ k, cIn, cOut }: ConvWeights): boolean {
  return k === 3 && cIn % 4 === 0 && cIn <= 16 && cOut <= 2;
}

/**
 * What is done to a sum when it is complete: by the tile itself, or, with a `curve`, by assembly's activate(), residual
 * included.
 */
interface Epilogue {
  readonly slope: number;
  readonly curve?: number;
  readonly residual?: Rows;
}

const CURVES: Partial<Record<Activation, number>> = { silu: SILU, hardswish: HARDSWISH };

export function conv2d(
  program: Program,
  values: Values,
  conv: WasmConv,
  dilation: number,
  activation: Activation,
  slope: number,
  residual: Values | undefined,
): Rows {
  const x = program.rows(values);
  const epilogue: Epilogue = {
    slope: activation === 'relu' ? 0 : activation === 'leaky-relu' ? slope : 1,
    curve: activation === 'leaky-relu' && slope > 1 ? ANY_SLOPE : CURVES[activation],
    residual: residual && program.rows(residual),
  };
  if (conv.narrow !== 0 && dilation === 1 && activation === 'none' && !residual) return narrow(program, x, conv);
  return conv.winograd !== 0 && dilation === 1
    ? winograd(program, x, conv, epilogue)
    : direct(program, x, conv, dilation, epilogue);
}

/** What is read of an input with p pixels of zeros around it. */
const padded = (rows: Rows, p: number): Input => ({
  rows,
  reads: (y) => [y - p, y + p + 1],
  columns: ([left, right]) => [left - p, right + p],
});

function narrow({ machine, wasm }: Program, x: Rows, { narrow: weights, bias, cIn, cOut, k }: WasmConv): Rows {
  const [n, h, w] = x.shape;
  const p = (k - 1) / 2;
  return produce([n, h, w, cOut], { inputs: [padded(x, p)] }, ({ y: row, left, right }, { y, inputs: [from] }) => {
    for (let i = 0; i < n; i++) {
      const rows = machine.addresses(k, (ky) => from.at(i, row - p + ky, left - p));
      wasm.narrowConv(rows, weights, bias, y.at(i, row, left), right - left, cIn, cOut, k);
    }
  });
}

function direct(program: Program, x: Rows, conv: WasmConv, dilation: number, epilogue: Epilogue): Rows {
  const [n, h, w] = x.shape;
  const p = ((conv.k - 1) / 2) * dilation;
  const inputs = [padded(x, p)];
  if (epilogue.residual) inputs.push(same(epilogue.residual));
  const options = { inputs, scratchBytes: program.wasm.conv2dScratch(w, conv.cIn, conv.k, dilation) };
  return produce([n, h, w, conv.cOut], options, ({ y, left, right }, work) => {
    for (let i = 0; i < n; i++) directRow(program, conv, dilation, epilogue, work, i, y, left, right);
  });
}

function directRow(
  { machine, wasm }: Program,
  { weights, bias, cIn, cOut, k }: WasmConv,
  dilation: number,
  epilogue: Epilogue,
  { y, inputs: [x, residual], scratch }: Work,
  image: number,
  row: number,
  left: number,
  right: number,
): void {
  const p = ((k - 1) / 2) * dilation;
  const tile = inTile(epilogue, residual, image, row, left);
  wasm.conv2d(
    machine.addresses(k, (ky) => x.at(image, row - p + ky * dilation, left - p)),
    weights,
    bias,
    tile.residual,
    y.at(image, row, left),
    scratch,
    right - left,
    cIn,
    cOut,
    k,
    dilation,
    tile.slope,
  );
  finish(wasm, epilogue, residual, y, image, row, left, (right - left) * cOut);
}

function winograd(program: Program, x: Rows, conv: WasmConv, epilogue: Epilogue): Rows {
  const { machine, wasm } = program;
  const { cIn, cOut } = conv;
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
  const scratchBytes = Math.max(wasm.winogradScratch(cIn, cOut), wasm.conv2dScratch(w, cIn, 3, 1));
  const options = { inputs, block, grid: BLOCK, scratchBytes };
  return produce([n, h, w, cOut], options, ({ y: row, height, left, right }, work) => {
    const {
      y,
      inputs: [from, residual],
      scratch,
    } = work;
    for (let i = 0; i < n; i++) {
      const tile = inTile(epilogue, residual, i, row, left);
      const finite = wasm.winograd(
        machine.addresses(ceilTo(height, BLOCK) + 2, (j) => from.at(i, row - 1 + j, left - 1)),
        conv.winograd,
        conv.bias,
        tile.residual,
        residual?.rowBytes ?? 0,
        y.at(i, row, left),
        y.rowBytes,
        scratch,
        height,
        right - left,
        cIn,
        cOut,
        tile.slope,
      );
      for (let j = 0; j < height; j++) {
        if (finite) finish(wasm, epilogue, residual, y, i, row + j, left, (right - left) * cOut);
        else directRow(program, conv, 1, epilogue, work, i, row + j, left, right);
      }
    }
  });
}

/** What a tile does of the epilogue of the row at (image, row, left). */
function inTile(
  { slope, curve }: Epilogue,
  residual: Ring | undefined,
  image: number,
  row: number,
  left: number,
): { slope: number; residual: number } {
  if (curve !== undefined) return { slope: 1, residual: 0 };
  return { slope, residual: residual ? residual.at(image, row, left) : 0 };
}

/** And what is left to do, of `size` values. */
function finish(
  wasm: Kernels,
  { slope, curve }: Epilogue,
  residual: Ring | undefined,
  y: Ring,
  image: number,
  row: number,
  left: number,
  size: number,
): void {
  if (curve === undefined) return;
  const address = residual ? residual.at(image, row, left) : 0;
  wasm.activate(y.at(image, row, left), address, size, curve, slope);
}

/**
 * How many rows of blocks are computed together: GEMM tiles are TILE_PIXELS blocks high, and narrow images would leave
 * them half empty.
 */
function blockRows(across: number, down: number): number {
  let best = { rows: 1, waste: Infinity };
  for (let rows = 1; rows <= Math.min(MAX_BLOCK_ROWS, down); rows++) {
    const waste = ceilTo(across * rows, TILE_PIXELS) / (across * rows);
    if (waste < best.waste - 0.02) best = { rows, waste };
  }
  return best.rows;
}
