// Weights for the API tests from a seeded generator, and how results are compared.
import { Random } from '../random.js';

export { assertSamePicture } from '../pictures.js';
export { testImage } from '../random.js';

export function random(seed: number): () => number {
  const generator = new Random(seed);
  return () => generator.next();
}

/** Bytes that differ, and by how much at most. */
export function difference(a: Uint8ClampedArray, b: Uint8ClampedArray): { count: number; max: number } {
  let count = 0;
  let max = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === b[i]) continue;
    count++;
    max = Math.max(max, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
  }
  return { count, max };
}

export function randomTensor(
  shape: [number, number, number, number],
  seed: number,
  scale = 1,
): { data: Float32Array; shape: [number, number, number, number] } {
  const length = shape.reduce((product, size) => product * size);
  return { data: new Random(seed).values(length, -scale, scale), shape };
}

/** Resolves with the error a promise rejects with; fails if it resolves. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; details: unknown } & Error> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error) => error,
  );
}
