// The suite itself: its cases are what they say, the bounds are small, and the reference is within them.
import { describe, expect, it } from 'vitest';
import type { Ops } from '../../src/backends/backend.js';
import { createReferenceBackend } from '../../src/backends/reference/reference-backend.js';
import { ARITHMETIC, bound, boundConv, boundedOps } from './bounds.js';
import { caseName, cases } from './cases.js';
import { programOf } from './programs.js';
import { checkCase, testNames } from './suite.js';

describe('conformance suite', () => {
  it('names every test once', () => {
    expect(new Set(testNames).size).toBe(testNames.length);
  });

  it('has cases for every op', () => {
    const notComputed = ['input', 'inputPixels', 'free'];
    const ops = Object.keys(boundedOps(ARITHMETIC.reference) satisfies Ops).filter((op) => !notComputed.includes(op));
    const tested = new Set<string>(cases.map((c) => c.op));
    expect(ops.filter((op) => !tested.has(op))).toEqual([]);
  });

  it('gives a case the same data every time', () => {
    const c = cases.find((one) => one.op === 'carafePack')!;
    const [a, b] = [0, 1].map(() => programOf(c));
    expect(a.convs).toEqual(b.convs);
  });

  it('bounds around exactly what the reference backend computes', async () => {
    const backend = createReferenceBackend();
    for (const c of cases) {
      const program = programOf(c);
      if (!('tensor' in program)) continue;
      const got = await backend.run((ops) =>
        program.tensor(
          ops,
          program.convs.map((conv) => backend.conv(conv)),
        ),
      );
      const { value } = bound((ops) => program.tensor(ops, program.convs.map(boundConv)), ARITHMETIC.reference);
      expect(Buffer.from(value.data.buffer).equals(Buffer.from(got.buffer)), caseName(c)).toBe(true);
    }
  });

  it('accepts the reference', async () => {
    const backend = createReferenceBackend();
    for (const c of cases) await checkCase(backend, c);
  });
});
