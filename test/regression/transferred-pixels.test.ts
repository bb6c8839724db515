// Pixels that were transferred or shrunk after the call: optimised code of Node 20 still saw their old length, and a
// TypeError of the engine came out.
import { expect, test } from 'vitest';
import { CarafeError } from '../../src/core/errors.js';
import { findingAlpha } from '../../src/engine/tiles.js';

test('are refused with a CarafeError, however often', () => {
  const Resizable = ArrayBuffer as unknown as new (length: number, options?: object) => ArrayBuffer;
  const side = 10;
  const bytes = side * side * 4;
  for (let i = 0; i < 9000; i++) {
    const kind = (['whole', 'transferred', 'shrunk'] as const)[i % 3];
    const buffer = new Resizable(bytes, ...(kind === 'shrunk' ? [{ maxByteLength: bytes }] : []));
    const data = new Uint8ClampedArray(buffer).fill(255);
    if (kind === 'transferred') structuredClone(buffer, { transfer: [buffer] });
    if (kind === 'shrunk') (buffer as ArrayBuffer & { resize(length: number): void }).resize(4);
    let result: unknown;
    try {
      result = findingAlpha({ data, width: side, height: side }).next().value;
    } catch (error) {
      result = error instanceof CarafeError ? error.code : error;
    }
    expect(result).toBe(kind === 'whole' ? false : 'UnsupportedImage');
  }
});
