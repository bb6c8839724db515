// arithmetic: y = a + b, a * b, a / b, min(a, b) or max(a, b), value by value; a NaN of either stays one.
// Reference: src/backends/reference/arithmetic.ts
import { ADD, DIVIDE, MAXIMUM, MINIMUM, MULTIPLY } from '../src/backends/wasm/constants';
import { storeLanes } from './simd';

/**
 * `count` values of a row. `per` of a have one of b: 1, or the channels of a pixel; with 0 b is `value` for all. y may
 * be a. Reads up to 3 floats past the ends.
 */
export function arithmetic(a: usize, b: usize, y: usize, count: i32, per: i32, value: f32, operation: i32): void {
  if (per <= 1) {
    run(a, b, y, count, per == 1, f32x4.splat(value), operation);
    return;
  }
  for (let i = 0; i < count; i += per) {
    run(a, 0, y, per, false, v128.load32_splat(b), operation);
    a += <usize>per << 2;
    y += <usize>per << 2;
    b += 4;
  }
}

function run(a: usize, b: usize, y: usize, count: i32, loads: bool, value: v128, operation: i32): void {
  for (let i = 0; i < count; i += 4) {
    const v = v128.load(a);
    if (loads) value = v128.load(b);
    let result = v;
    if (operation == ADD) result = f32x4.add(v, value);
    else if (operation == MULTIPLY) result = f32x4.mul(v, value);
    else if (operation == DIVIDE) result = f32x4.div(v, value);
    else if (operation == MINIMUM) result = f32x4.min(v, value);
    else if (operation == MAXIMUM) result = f32x4.max(v, value);
    storeLanes(y, result, count - i);
    a += 16;
    b += 16;
    y += 16;
  }
}
