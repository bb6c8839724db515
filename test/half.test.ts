// binary16 both ways: every value there is comes back as its own bits, and what lies between rounds to the nearest,
// ties to even.
import { expect, test } from 'vitest';
import { fromHalves, toHalves } from '../src/core/half.js';

/** By the format's definition. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const toHalf = (value: number): number => toHalves(Float32Array.of(value))[0];

test('all 65,536 bit patterns', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  expect(fromHalves(all)).toEqual(Float32Array.from(all, fromHalf));
  const wrong = Array.from({ length: 65536 }, (_, bits) => bits).filter((bits) =>
    Number.isNaN(fromHalf(bits)) ? !Number.isNaN(fromHalf(toHalf(NaN))) : toHalf(fromHalf(bits)) !== bits,
  );
  expect(wrong).toEqual([]);
});

test('halfway between two values lies the even one, a little off it the nearer', () => {
  const wrong: number[] = [];
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [fromHalf(bits), fromHalf(bits + 1)];
    const middle = Math.fround((low + high) / 2); // exact: one bit more
    const quarter = (high - low) / 4;
    const got = [middle, middle - quarter, middle + quarter, -middle].map(toHalf);
    const even = bits % 2 === 0 ? bits : bits + 1;
    if (got.join() !== [even, bits, bits + 1, even | 0x8000].join()) wrong.push(bits);
  }
  expect(wrong).toEqual([]);
});

test('the largest, what is beyond it, and nothing', () => {
  expect([65504, 65519.99, 65520, 1e30, -Infinity, 0, -0, 2 ** -25, 2 ** -24].map(toHalf)).toEqual([
    0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000, 0, 1,
  ]);
});
