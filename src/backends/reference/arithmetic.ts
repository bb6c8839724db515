// arithmetic: a + b, a * b, a / b, the smaller or the larger of both, value by value.
// a (n, h, w, c)   b (n, h, w, c), (n, h, w, 1) or a number -> (n, h, w, c). In f64, a number is rounded to f32 first.
import type { Arithmetic } from '../backend.js';
import { arithmeticShape } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export const CALCULATE: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  minimum: Math.min,
  maximum: Math.max,
};

export function arithmetic(a: Tensor, operation: Arithmetic, b: Tensor | number): Tensor {
  const calculate = CALCULATE[operation];
  if (typeof b === 'number') {
    const value = Math.fround(b);
    return { data: a.data.map((v) => calculate(v, value)), shape: a.shape };
  }
  const shape = arithmeticShape(a.shape, b.shape);
  const per = shape[3] / b.shape[3]; // values of a for each of b
  return { data: a.data.map((v, i) => calculate(v, b.data[Math.floor(i / per)])), shape };
}
