// A tensor as a file has it: its values stay where they lie until they are asked for.
import { expected } from '../core/errors.js';
import { fromHalves } from '../core/half.js';

export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
export type Dtype = keyof typeof DTYPE_BYTES;
export const DTYPES = Object.keys(DTYPE_BYTES) as Dtype[];

export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /**
   * Its values in row-major order, little endian. @throws {CarafeError} ModelInvalid if the file does not hold them.
   */
  read(): Uint8Array;
}

/** The values as f32: F16 and BF16 are widened, F64 is rounded. @throws {CarafeError} ModelInvalid for integers. */
export function toFloat32(name: string, { dtype, read }: StoredTensor): Float32Array<ArrayBuffer> {
  if (!['F64', 'F32', 'F16', 'BF16'].includes(dtype))
    throw expected('ModelInvalid', `${name}.dtype`, 'F64, F32, F16 or BF16', dtype);
  const { buffer } = new Uint8Array(read()); // copied, as slice() would not a Node Buffer; little endian, as every engine with wasm
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return new Float32Array(new Float64Array(buffer));
  const halves = new Uint16Array(buffer);
  if (dtype === 'F16') return fromHalves(halves);
  return new Float32Array(new Uint32Array(halves).map((half) => half << 16).buffer);
}
