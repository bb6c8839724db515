// Images and weights for the API tests, from a seeded generator.
import type { RawImage } from 'carafe-web';

export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Smooth shapes, edges and a little noise: something a network reacts to. */
export function testImage(
  width: number,
  height: number,
  alphaOf: (x: number, y: number) => number = () => 255,
): RawImage {
  const noise = random(width * 31 + height);
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = 4 * (y * width + x);
      const edge = (x - width / 2) ** 2 + (y - height / 3) ** 2 < (width / 4) ** 2 ? 90 : 0;
      data[i] = 128 + 100 * Math.sin(x / 5) + edge + 8 * noise();
      data[i + 1] = 128 + 100 * Math.cos(y / 7) - edge + 8 * noise();
      data[i + 2] = ((x + y) % 16 < 8 ? 60 : 190) + 8 * noise();
      data[i + 3] = alphaOf(x, y);
    }
  }
  return { data, width, height };
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
  const next = random(seed);
  return { data: Float32Array.from({ length: shape.reduce((p, s) => p * s) }, () => (next() * 2 - 1) * scale), shape };
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
