// Hostile model files: a typed error or a model, never another error, a hang or memory that the file does not account
// for.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CarafeError } from '../../src/core/errors.js';
import { type ModelFile, parseSafetensors } from '../../src/models/safetensors.js';

const seed = Number(process.env.FC_SEED ?? 20260);

type Entry = { dtype?: unknown; shape?: unknown; data_offsets?: unknown };

function file(header: unknown, dataBytes: number, headerLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = (i * 37) & 0x3f; // finite as F32 and F16
  return bytes;
}

const weights = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] };
const bias = { dtype: 'F32', shape: [2], data_offsets: [24, 32] };
const valid = file({ __metadata__: { name: 'x' }, weights, bias }, 32);

/** The model, or the error if it is the right one. */
function parse(bytes: Uint8Array): ModelFile | CarafeError {
  const before = process.memoryUsage().arrayBuffers;
  try {
    const model = parseSafetensors(bytes);
    const values = [...model.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(values).toBeLessThanOrEqual(bytes.length); // a byte a value at least
    return model;
  } catch (error) {
    if (!(error instanceof CarafeError)) throw error;
    expect(error.code).toBe('ModelInvalid');
    expect(error.message).toMatch(/^Expected .* for ".*", got /s);
    expect(error.message.length).toBeLessThan(2000 + bytes.length);
    return error;
  } finally {
    // A parsed copy, a decoded header and what the test itself made; garbage collection can only lower it.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * bytes.length + 2 ** 20);
  }
}

describe('safetensors', () => {
  it('reads a valid file, its metadata and its values', () => {
    const { tensors, metadata } = parseSafetensors(valid);
    expect(metadata).toEqual({ name: 'x' });
    expect([...tensors.keys()]).toEqual(['weights', 'bias']);
    const data = new DataView(valid.buffer, valid.length - 32);
    expect([...tensors.get('weights')!.data]).toEqual(
      Array.from({ length: 6 }, (_, i) => data.getFloat32(4 * i, true)),
    );
    expect([...tensors.get('bias')!.data]).toEqual([6, 7].map((i) => data.getFloat32(4 * i, true)));
    expect(tensors.get('weights')!.shape).toEqual([2, 3]);
  });

  it('reads the same from anywhere in a buffer, and from a Node Buffer, and keeps none of it', () => {
    const want = parseSafetensors(valid);
    const larger = new Uint8Array(valid.length + 13).fill(255);
    larger.set(valid, 3);
    const views = {
      'a view at an odd offset': larger.subarray(3, 3 + valid.length),
      'a Buffer': Buffer.from(valid),
      'a Buffer in a pool': Buffer.from(larger.buffer, 3, valid.length),
    };
    for (const [name, view] of Object.entries(views)) {
      const got = parseSafetensors(view);
      view.fill(0);
      expect(
        [...got.tensors].map(([key, { shape, data }]) => [key, [...shape], [...data]]),
        name,
      ).toEqual([...want.tensors].map(([key, { shape, data }]) => [key, [...shape], [...data]]));
      larger.set(valid, 3);
    }
  });

  it('reads F16 and BF16', () => {
    const bytes = file(
      {
        half: { dtype: 'F16', shape: [4], data_offsets: [0, 8] },
        brain: { dtype: 'BF16', shape: [2], data_offsets: [8, 12] },
      },
      12,
    );
    const view = new DataView(bytes.buffer, bytes.length - 12);
    [0x3c00, 0xc000, 0x0001, 0x7bff].forEach((v, i) => view.setUint16(2 * i, v, true));
    [0x3f80, 0xc040].forEach((v, i) => view.setUint16(8 + 2 * i, v, true));
    const { tensors } = parseSafetensors(bytes);
    expect([...tensors.get('half')!.data]).toEqual([1, -2, 2 ** -24, 65504]);
    expect([...tensors.get('brain')!.data]).toEqual([1, -3]);
  });

  const entry = (changes: Entry): Uint8Array => file({ weights: { ...weights, ...changes }, bias }, 32);
  const hostile: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    'seven bytes': new Uint8Array(7),
    'a length and nothing else': new Uint8Array(8).fill(1),
    'a header length of 2^64 - 1': file({ weights, bias }, 32, 2n ** 64n - 1n),
    'a header length of 2^63': file({ weights, bias }, 32, 2n ** 63n),
    'a header length of 2^32': file({ weights, bias }, 32, 2n ** 32n),
    'a header length one past the end': file('{}', 0, 3n),
    'a header length of zero': file({ weights, bias }, 32, 0n),
    'a header cut short': file({ weights, bias }, 32, 20n),
    'a header that is not UTF-8': (() => {
      const bytes = valid.slice();
      bytes[12] = 0xff;
      return bytes;
    })(),
    'a header that is null': file('null', 0),
    'a header that is an array': file('[]', 0),
    'a header that is a number': file('1e999', 0),
    'deep nesting': file('['.repeat(100_000), 0),
    'deep objects': file('{"a":'.repeat(50_000), 0),
    'metadata that is a string': file({ __metadata__: 'x', weights, bias }, 32),
    'metadata with a number': file({ __metadata__: { name: 1 }, weights, bias }, 32),
    'an entry that is null': file({ weights: null, bias }, 32),
    'an entry that is an array': file({ weights: [], bias }, 32),
    'no dtype': entry({ dtype: undefined }),
    'a dtype of the wrong kind': entry({ dtype: 1 }),
    'an integer dtype': entry({ dtype: 'I32' }),
    F64: entry({ dtype: 'F64' }),
    'a dtype from the prototype': entry({ dtype: 'constructor' }),
    'another dtype of the same size': entry({ dtype: 'U32' }),
    'a dtype of another size': entry({ dtype: 'F16' }),
    'no shape': entry({ shape: undefined }),
    'a shape that is a number': entry({ shape: 6 }),
    'a negative size': entry({ shape: [-2, -3] }),
    'a fractional size': entry({ shape: [1.5, 4] }),
    'a size that is text': entry({ shape: ['2', 3] }),
    'a shape past the data': entry({ shape: [2, 4] }),
    'a huge shape': entry({ shape: [2 ** 40, 2 ** 40] }),
    'a shape whose product wraps to what is there': entry({ shape: [2 ** 32, 2 ** 32, 6] }),
    'a product that is not a number': entry({ shape: [0, 1e308, 1e308] }),
    'a million dimensions': entry({ shape: Array.from({ length: 100_000 }, () => 1) }),
    'no offsets': entry({ data_offsets: undefined }),
    'three offsets': entry({ data_offsets: [0, 24, 24] }),
    'a negative offset': entry({ data_offsets: [-24, 0] }),
    'a fractional offset': entry({ data_offsets: [0.5, 24.5] }),
    'offsets in the wrong order': entry({ data_offsets: [24, 0] }),
    'offsets past the end': entry({ data_offsets: [24, 48] }),
    'offsets of 2^53': entry({ data_offsets: [2 ** 53, 2 ** 53 + 24] }),
    'overlapping tensors': file({ weights, bias: { ...bias, data_offsets: [20, 28] } }, 28),
    'the same bytes twice': file({ weights, again: weights, bias }, 32),
    'a hole between tensors': file({ weights, bias: { ...bias, data_offsets: [28, 36] } }, 36),
    'a hole at the start': file({ bias }, 32),
    'bytes after the last tensor': file({ weights, bias }, 33),
    'data cut short': valid.subarray(0, valid.length - 1),
    'no data': file({ weights, bias }, 0),
  };
  for (const [name, bytes] of Object.entries(hostile)) {
    it(`rejects ${name}`, () => {
      expect(parse(bytes)).toBeInstanceOf(CarafeError);
    });
  }

  it('rejects every truncation', () => {
    for (let length = 0; length < valid.length; length++)
      expect(parse(valid.subarray(0, length)), `${length} bytes`).toBeInstanceOf(CarafeError);
  });

  it('survives random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        parse(bytes);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('survives random headers', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(64), (header, dataBytes) => {
        parse(file(header, dataBytes));
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('survives random entries', () => {
    const number = fc.oneof(fc.integer({ min: -2, max: 40 }), fc.double(), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53));
    const dtype = fc.constantFrom('F32', 'F16', 'BF16', 'F64', 'I8', 'toString', '__proto__');
    const entries = fc.dictionary(
      fc.string({ maxLength: 12 }),
      fc.record({ dtype, shape: fc.array(number, { maxLength: 5 }), data_offsets: fc.array(number, { maxLength: 3 }) }),
      { maxKeys: 4 },
    );
    fc.assert(
      fc.property(entries, fc.nat(64), (header, dataBytes) => {
        parse(file(header, dataBytes));
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('survives a valid file with changed bytes', () => {
    const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = valid.slice();
        for (const [at, value] of changes) bytes[at] = value;
        parse(bytes);
      }),
      { seed, numRuns: 5000 },
    );
  });
});
