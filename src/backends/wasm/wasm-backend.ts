// Ops on AssemblyScript SIMD kernels: this file sizes and places tensors in the arena, packs weights and loops over images; the
// arithmetic is in assembly/<op>.ts. Ops run as they are called; one program at a time, start to end without yielding.
import { CarafeError } from '../../core/errors.js';
import { axisTaps } from '../../core/resize-taps.js';
import {
  borderIndex, convShape, type Normalizer, type Padding, pixelShuffleShape, pixelUnshuffleShape, reassembleShape, reassembleSumShape,
} from '../../core/shapes.js';
import { elements, type Shape } from '../../core/tensor.js';
import { type Backend, BLOCK, type ConvWeights, type DeviceConv, type DevicePixels, type DeviceTensor, type Ops } from '../backend.js';
import { Arena } from './arena.js';
import { carafePack } from './carafe-pack.js';
import type { Exports } from './exports.js';
import { packConv, packWinograd } from './pack.js';

interface WasmTensor extends DeviceTensor { readonly pointer: number }
interface WasmPixels extends DevicePixels { readonly pointer: number }
interface WasmConv extends DeviceConv { readonly weights: number; readonly bias: number; readonly winograd: number } // pointers; winograd 0: none

const NORMALIZERS: readonly Normalizer[] = ['softmax', 'sigmoid', 'sigmoid-normalized']; // assembly/normalize-kernels.ts
const TILE_PIXELS = 5; // assembly/gemm.ts; a tile may read this many pixels past the end of its input
const SUM_SEGMENT = 40; // assembly/reassemble-sum.ts
const REASSEMBLE_BLOCK = 64 * 1024; // bytes of output before they are transposed to planes
const SPARE_BYTES = TILE_PIXELS * 8 * 4;
const WINOGRAD_RANGE = 32; // assembly/winograd.ts
const WINOGRAD_BATCH = 256 * 1024; // bytes of transformed blocks at a time: half of a small L2

/** @param details which build `module` is. */
export async function createWasmBackend(module: WebAssembly.Module, details: string): Promise<Backend> {
  const memory = new WebAssembly.Memory({ initial: 4 });
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  return new WasmBackend(new Arena(memory), instance.exports as unknown as Exports, details);
}

class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly details: string;
  #arena: Arena | undefined;
  #ops: Ops;

  constructor(arena: Arena, wasm: Exports, details: string) {
    this.#arena = arena;
    this.#ops = createOps(arena, wasm);
    this.details = details;
  }

  conv(conv: ConvWeights): WasmConv {
    const arena = this.#alive();
    const packed = packConv(conv);
    const upload = (values: Float32Array): number => {
      const pointer = arena.allocate(values.byteLength);
      arena.f32(pointer, values.length).set(values);
      return pointer;
    };
    const [weights, bias] = [upload(packed.weights), upload(packed.bias)];
    const winograd = winogradPays(conv) ? upload(packWinograd(conv)) : 0;
    return { cOut: conv.cOut, cIn: conv.cIn, k: conv.k, weights, bias, winograd, ...(winograd !== 0 && { reach: BLOCK }) };
  }

  async run(program: (ops: Ops) => DeviceTensor, into?: Float32Array): Promise<Float32Array> {
    return this.#scope((arena) => {
      const { pointer, shape } = program(this.#ops) as WasmTensor;
      const values = arena.f32(pointer, elements(shape));
      if (!into) return values.slice();
      into.set(values);
      return into;
    });
  }

  async runPixels(program: (ops: Ops) => DevicePixels): Promise<Uint8ClampedArray> {
    return this.#scope((arena) => {
      const { pointer, width, height } = program(this.#ops) as WasmPixels;
      return arena.u8(pointer, width * height * 4).slice();
    });
  }

  dispose(): void {
    this.#arena = undefined;
  }

  #scope<R>(body: (arena: Arena) => R): R {
    const arena = this.#alive();
    const mark = arena.mark();
    try {
      return body(arena);
    } finally {
      arena.release(mark);
    }
  }

  #alive(): Arena {
    if (!this.#arena) throw new CarafeError('Disposed', 'Expected a live wasm backend, got one that was disposed');
    return this.#arena;
  }
}

function createOps(arena: Arena, wasm: Exports): Ops {
  const tensor = (shape: Shape): WasmTensor => ({ shape, pointer: arena.allocate(elements(shape) * 4) });
  const at = (x: DeviceTensor, image = 0): number => (x as WasmTensor).pointer + image * (elements(x.shape) / x.shape[0]) * 4;
  const upload = (values: Int32Array | Float32Array): number => {
    const pointer = arena.allocate(values.byteLength);
    (values instanceof Int32Array ? arena.i32(pointer, values.length) : arena.f32(pointer, values.length)).set(values);
    return pointer;
  };
  /** Memory for the length of one op: blocks of so many bytes, by name. */
  const scratch = <Name extends string>(bytes: Readonly<Record<Name, number>>, use: (pointers: Readonly<Record<Name, number>>) => void): void => {
    const blocks = Object.entries<number>(bytes).map(([name, size]) => [name, arena.allocate(size), size] as const);
    use(Object.fromEntries(blocks) as Record<Name, number>);
    for (const [, pointer, size] of blocks) arena.free(pointer, size);
  };

  const ops: Ops = {
    input: (data, shape) => ({ shape, pointer: upload(data) }) as WasmTensor,

    inputPixels({ data, width, height }) {
      const pointer = arena.allocate(data.length);
      arena.u8(pointer, data.length).set(data);
      return { width, height, pointer } as WasmPixels;
    },

    free(...tensors) {
      for (const x of tensors) arena.free(at(x), elements(x.shape) * 4);
    },

    nchwToNhwc(x) {
      const [n, c, h, w] = x.shape;
      const y = tensor([n, h, w, c]);
      wasm.nchwToNhwc(at(x), at(y), n, c, h, w);
      return y;
    },

    nhwcToNchw(x) {
      const [n, h, w, c] = x.shape;
      const y = tensor([n, c, h, w]);
      wasm.nhwcToNchw(at(x), at(y), n, h, w, c);
      return y;
    },

    conv2d(x, conv, { dilation = 1, activation = 'none', slope = 0.01, residual } = {}) {
      const { weights, bias, winograd, cIn, cOut, k } = conv as WasmConv;
      const y = tensor(convShape(x.shape, cIn, cOut));
      const [n, h, w] = y.shape;
      arena.allowReadingPast(TILE_PIXELS * cIn * 4);
      const curved = activation === 'silu' || activation === 'hardswish';
      const factor = activation === 'relu' ? 0 : activation === 'leaky-relu' ? slope : 1;
      const added = (i: number): number => residual && !curved ? at(residual, i) : 0;
      if (winograd !== 0 && dilation === 1) {
        const groupBytes = { inputs: winogradBytes(cIn), products: winogradBytes(Math.min(cOut, WINOGRAD_RANGE)) };
        const groups = Math.max(1, Math.min(8, Math.floor(WINOGRAD_BATCH / (groupBytes.inputs + groupBytes.products))));
        const bytes = { columns: 6 * (4 * Math.ceil(w / 4) + 2) * cIn * 4, inputs: groups * groupBytes.inputs, products: groups * groupBytes.products, block: 24 * 16 };
        scratch(bytes, ({ columns, inputs, products, block }) => {
          for (let i = 0; i < n; i++) wasm.winograd(at(x, i), winograd, bias, added(i), at(y, i), columns, inputs, products, block, h, w, cIn, cOut, groups, factor);
        });
      } else {
        const bytes = { spare: SPARE_BYTES, line: k === 1 ? 0 : (w + (k - 1 + TILE_PIXELS) * dilation) * k * cIn * 4 };
        scratch(bytes, ({ spare, line }) => {
          for (let i = 0; i < n; i++) wasm.conv2d(at(x, i), weights, bias, added(i), at(y, i), line, spare, h, w, cIn, cOut, k, dilation, factor);
        });
      }
      if (curved) wasm.activate(at(y), residual ? at(residual) : 0, elements(y.shape), activation === 'silu');
      return y;
    },

    pixelShuffle(x, scale) {
      const y = tensor(pixelShuffleShape(x.shape, scale));
      wasm.pixelShuffle(at(x), at(y), x.shape[0] * x.shape[1], x.shape[2], y.shape[3], scale);
      return y;
    },

    pixelUnshuffle(x, scale) {
      const y = tensor(pixelUnshuffleShape(x.shape, scale));
      wasm.pixelUnshuffle(at(x), at(y), y.shape[0] * y.shape[1], y.shape[2], x.shape[3], scale);
      return y;
    },

    normalizeKernels(rows, { scale, kUp, groups }, normalizer) {
      const y = tensor(rows.shape);
      const [n, h, w] = rows.shape;
      wasm.normalizeKernels(at(rows), at(y), n * h * w * groups, kUp * kUp, scale * scale, NORMALIZERS.indexOf(normalizer));
      return y;
    },

    reassemble(features, rows, window, padding, layout = 'NHWC') {
      const { scale, kUp, groups } = window;
      const [n, h, w, c] = features.shape;
      const y = tensor(reassembleShape(features.shape, rows.shape, window, layout));
      const yTaps = upload(tapIndices(h, kUp, padding));
      const xTaps = upload(tapIndices(w, kUp, padding));
      const zeros = upload(new Float32Array(c + 4));
      const pixelBytes = scale ** 2 * c * 4;
      const segment = layout === 'NHWC' ? w : Math.max(1, Math.min(w, Math.floor(REASSEMBLE_BLOCK / pixelBytes)));
      scratch({ table: kUp * kUp * 4, block: layout === 'NHWC' ? 0 : segment * pixelBytes + 16 }, ({ table, block }) => {
        for (let i = 0; i < n; i++) {
          wasm.reassemble(at(features, i), at(rows, i), at(y, i), yTaps, xTaps, zeros, table, layout === 'NHWC' ? 0 : block, h, w, c, scale, kUp, groups, segment);
        }
      });
      return y;
    },

    carafePack: (x, module, layout) => carafePack(ops, x, module, layout),

    reassembleSum(maps, x, encode, base, window) {
      const { weights, bias, cIn, cOut } = encode as WasmConv;
      const { scale, kUp, groups } = window;
      const y = tensor(reassembleSumShape(maps.shape, convShape(x.shape, cIn, cOut), base.shape, window));
      const [n, h, w] = maps.shape;
      arena.allowReadingPast(TILE_PIXELS * cIn * 4);
      const bytes = { padded: (h + kUp - 1) * (w + kUp - 1) * groups * 4, table: kUp * kUp * 4, rows: SUM_SEGMENT * cOut * 4 + 16, sums: (scale * scale + 4) * 4, spare: SPARE_BYTES };
      scratch(bytes, ({ padded, table, rows, sums, spare }) => {
        for (let i = 0; i < n; i++) wasm.reassembleSum(at(x, i), weights, bias, at(maps, i), at(base, i), at(y, i), padded, table, rows, sums, spare, h, w, cIn, scale, kUp, groups);
      });
      return y;
    },

    resize(x, height, width, mode, cubicA = -0.5) {
      const [n, h, w, c] = x.shape;
      const y = tensor([n, height, width, c]);
      const rows = axisTaps(h, height, mode, cubicA);
      const columns = axisTaps(w, width, mode, cubicA);
      const [rowIndex, rowWeight, columnIndex, columnWeight] = [rows.index, Float32Array.from(rows.weight), columns.index, Float32Array.from(columns.weight)].map(upload);
      scratch({ mixed: (w * c + 4) * 4 }, ({ mixed }) => {
        for (let i = 0; i < n; i++) wasm.resize(at(x, i), at(y, i), rowIndex, rowWeight, columnIndex, columnWeight, mixed, w, c, height, width, rows.taps);
      });
      return y;
    },

    pixelsToPlanes(pixels, alpha) {
      const { width, height } = pixels;
      const luma = tensor([alpha ? 2 : 1, height, width, 1]);
      const chroma = tensor([1, height, width, 2]);
      wasm.pixelsToPlanes((pixels as WasmPixels).pointer, at(luma), at(chroma), width * height, alpha);
      return { luma, chroma };
    },

    planesToPixels(luma, chroma, { x, y, width, height }) {
      const pixels: WasmPixels = { width, height, pointer: arena.allocate(width * height * 4) };
      wasm.planesToPixels(at(luma), luma.shape[0] === 2 ? at(luma, 1) : 0, at(chroma), pixels.pointer, luma.shape[2], x, y, width, height);
      return pixels;
    },
  };
  return ops;
}

/** Where the transforms cost less than they save. */
function winogradPays({ k, cIn, cOut, exact = false }: ConvWeights): boolean {
  return !exact && k === 3 && cIn % 4 === 0 && cIn >= 8 && cOut >= 8;
}

/** Of one group in assembly/winograd.ts: 36 points of 5 blocks. */
function winogradBytes(channels: number): number {
  return 36 * (5 * Math.ceil(channels / 4) * 4 * 4 + 64);
}

/** For each position along an axis, the source indices of its kUp taps; -1 reads zero. */
function tapIndices(size: number, kUp: number, padding: Padding): Int32Array {
  const r = (kUp - 1) / 2;
  const indices = new Int32Array(size * kUp);
  for (let i = 0; i < size; i++) for (let k = 0; k < kUp; k++) indices[i * kUp + k] = borderIndex(i + k - r, size, padding);
  return indices;
}
