// IEEE 754 binary16, for engines without Float16Array.

import { type Halves, tagOf } from './tag.js';

/** The values of bits, each exactly; in `into` where given, which has as many. */
export function fromHalves<Values extends Float32Array = Float32Array<ArrayBuffer>>(
  halves: Uint16Array,
  into?: Values,
): Values | Float32Array<ArrayBuffer> {
  const values = into ?? new Float32Array(halves.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  halves.forEach((half, i) => {
    const magnitude = half & 0x7fff;
    words[i] = magnitude << 13;
    values[i] *= 2 ** 112; // the difference of the exponents' biases; denormals become normal
    if (magnitude >= 0x7c00) words[i] |= 255 << 23; // infinite, or NaN
    words[i] |= (half & 0x8000) << 16;
  });
  return values;
}

/** The bits of the nearest values, ties to even; infinite from 65520 on. */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const sum = new Float32Array(1);
  const sumWord = new Uint32Array(sum.buffer);
  for (let i = 0; i < halves.length; i++) {
    const magnitude = words[i] & 0x7fffffff;
    let half: number;
    if (magnitude > 0x7f800000) half = 0x7e00;
    else if (magnitude >= 0x47800000)
      half = 0x7c00; // 65536 or more
    else if (magnitude < 0x38800000) {
      sum[0] = Math.abs(values[i]) + 0.5; // less than 2^-14, in quanta of 2^-24, as many as a float of 0.5 has
      half = sumWord[0] - 0x3f000000;
    } else half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13; // may carry into the exponent
    halves[i] = ((words[i] >>> 16) & 0x8000) | half;
  }
  return halves;
}

/** Widened, each exactly. */
export function widened(halves: Halves): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = halves;
  return fromHalves(new Uint16Array(buffer, byteOffset, length));
}

/** The nearest values, in an array of the same type as `like`. */
export function narrowed<H extends Halves>(values: Float32Array, like: H): H {
  const bits = toHalves(values);
  if (tagOf(like) === 'Uint16Array') return bits as unknown as H;
  const Float16Array = like.constructor as new (buffer: ArrayBuffer) => H;
  return new Float16Array(bits.buffer);
}
