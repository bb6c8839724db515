// IEEE 754 binary16, for engines without Float16Array.

import { type Halves, tagOf } from './tag.js';

/** The value of its bits. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The bits of the nearest values, ties to even; infinite from 65520 on. */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  return Uint16Array.from(values, (v) => {
    value[0] = v;
    const sign = (bits[0] >>> 16) & 0x8000;
    const magnitude = Math.abs(v);
    if (Number.isNaN(v)) return sign | 0x7e00;
    if (magnitude >= 65520) return sign | 0x7c00;
    // A quantum is 2^-24 among denormals, else 2^-10 of the power of two below; rounding may carry into the exponent.
    const exponent = Math.max(((bits[0] >>> 23) & 255) - 127, -14);
    const quanta = magnitude * 2 ** (10 - exponent);
    const whole = Math.floor(quanta);
    const rest = quanta - whole;
    const rounded = whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0);
    return sign | (rounded + (exponent + 14) * 1024);
  });
}

/** Widened, each exactly. */
export function widened(halves: Halves): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = halves;
  return Float32Array.from(new Uint16Array(buffer, byteOffset, length), fromHalf);
}

/** The nearest values, in an array of the same type as `like`. */
export function narrowed<H extends Halves>(values: Float32Array, like: H): H {
  const bits = toHalves(values);
  if (tagOf(like) === 'Uint16Array') return bits as unknown as H;
  const Float16Array = like.constructor as new (buffer: ArrayBuffer) => H;
  return new Float16Array(bits.buffer);
}
