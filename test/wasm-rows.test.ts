// Programs by rows (src/backends/wasm/plan.ts) with producers that only keep books: every row is computed once, in
// order, before it is read and is still there when it is; memory does not grow with the height; rows and columns that
// nobody needs are not computed; programs that are alike are planned once.
import { throughPlanes } from './conformance/programs.js';
import { describe, expect, test, vi } from 'vitest';
import { PLAIN } from '../src/backends/backend.js';
import { Arena } from '../src/backends/wasm/arena.js';
import { execute, type Plan, plan } from '../src/backends/wasm/plan.js';
import type { Ring } from '../src/backends/wasm/ring.js';
import { type Input, Producer, type Range, type Rows, same } from '../src/backends/wasm/rows.js';
import type { Shape } from '../src/core/tensor.js';
import { wasmSimd } from './backends.js';

vi.mock('../src/backends/wasm/plan.js', { spy: true });

interface Books {
  readonly rows: Rows;
  /** First row of each step. */
  readonly steps: number[];
  columns: Range;
  /** Where its rows were. */
  ring?: Ring;
}

const all: Range = [0, Infinity];

/**
 * A producer of [1, height, width, 1] that reads `radius` rows and columns around its own of each input, and checks
 * that they are there.
 */
function booked(
  height: number,
  width: number,
  {
    block = 1,
    grid = 1,
    radius = 0,
    inputs = [],
    together = 1,
  }: { block?: number; grid?: number; radius?: number; inputs?: Books[]; together?: number },
): Books {
  const shape: Shape = [1, height, width, 1];
  const read: Input[] = inputs.map(({ rows }) => ({
    rows,
    reads: (y) => [y - radius, y + block + radius],
    columns: ([left, right]) => [left - radius, right + radius],
    together,
  }));
  const producer = new Producer([shape], height, { inputs: read, block, grid }, ({ y, left, right }, { y: ring }) => {
    for (const input of inputs) {
      const newest = input.steps.at(-1)! + input.rows.producer.block;
      const [from, to] = [Math.max(0, y - radius), Math.min(height, y + block + radius)];
      expect(newest).toBeGreaterThanOrEqual(to);
      // All that are read lie apart: none has taken the place of another.
      const addresses = Array.from({ length: newest - from }, (_, i) => input.ring!.at(0, from + i, 0));
      expect(new Set(addresses.filter((address) => address !== input.ring!.at(0, -1, 0))).size).toBe(
        Math.min(newest, height) - from,
      );
      expect(input.columns[0]).toBeLessThanOrEqual(Math.max(0, left - radius));
      expect(input.columns[1]).toBeGreaterThanOrEqual(Math.min(width, right + radius));
    }
    books.steps.push(y);
    books.columns = [left, right];
    books.ring = ring;
  });
  const books: Books = { rows: producer.outputs[0], steps: [], columns: all };
  return books;
}

/** A network in the small: blocks of 4 rows, a skip connection, an input that is read early and late. */
function network(height: number, width: number): { tensors: Books[]; last: Books } {
  const source = booked(height, width, {});
  const a = booked(height, width, { inputs: [source], block: 4, grid: 4, radius: 1 });
  const b = booked(height, width, { inputs: [a], block: 4, grid: 4, radius: 1 });
  const skip = booked(height, width, { inputs: [b, source], block: 2, radius: 2, together: 2 });
  return { tensors: [source, a, b, skip], last: skip };
}

function planOf({ rows }: Books, rowRange: Range, columnRange: Range): Plan {
  return plan(new Producer([], rows.shape[1], { inputs: [same(rows)] }, () => {}), rowRange, columnRange);
}

function run(last: Books, rowRange: Range, columnRange: Range): Arena {
  const arena = new Arena(new WebAssembly.Memory({ initial: 1 }));
  execute(planOf(last, rowRange, columnRange), arena, { floats: [], bytes: [] });
  return arena;
}

describe('programs by rows', () => {
  test.each([1, 3, 8, 37])('every row is computed once, in order (height %i)', (height) => {
    const { tensors, last } = network(height, 21);
    run(last, [0, height], [0, 21]);
    for (const { rows, steps } of tensors) {
      const { block } = rows.producer;
      expect(steps).toEqual(Array.from({ length: Math.ceil(height / block) }, (_, i) => i * block));
    }
  });

  test('rings do not grow with the height', () => {
    const slots = [64, 4096].map((height) => {
      const { last } = network(height, 21);
      return planOf(last, [0, height], [0, 21]).rings.map((ring) => ring.slots);
    });
    expect(slots[1]).toEqual(slots[0]);
    expect(Math.max(...slots[0])).toBeLessThan(24);
  });

  test('rows and columns that nobody needs are not computed', () => {
    const {
      tensors: [source, a, b, skip],
      last,
    } = network(100, 100);
    run(last, [40, 60], [44, 52]);
    expect([skip.steps[0], skip.steps.at(-1)]).toEqual([40, 58]);
    expect(skip.columns).toEqual([44, 52]);
    expect([b.steps[0], b.steps.at(-1)]).toEqual([36, 60]);
    expect(b.columns).toEqual([40, 54]);
    expect(a.columns).toEqual([36, 55]);
    expect([source.steps[0], source.steps.at(-1)]).toEqual([31, 68]);
    expect(source.columns).toEqual([35, 56]);
  });

  test('outside a tensor there are zeros, above, below and beside it', () => {
    const {
      tensors: [source],
      last,
    } = network(9, 5);
    const arena = run(last, [0, 9], [0, 5]);
    const ring = source.ring!;
    for (const address of [ring.at(0, -1, 0), ring.at(0, 9, -2), ring.at(0, 4, -2), ring.at(0, 4, 5)])
      expect([...arena.f32(address, 2)]).toEqual([0, 0]);
  });

  test('a plan can be carried out again', () => {
    const { tensors, last } = network(9, 5);
    const planned = planOf(last, [0, 9], [0, 5]);
    const arena = new Arena(new WebAssembly.Memory({ initial: 1 }));
    execute(planned, arena, { floats: [], bytes: [] });
    const first = tensors.map(({ steps }) => steps.splice(0));
    execute(planned, arena, { floats: [], bytes: [] });
    expect(tensors.map(({ steps }) => steps)).toEqual(first);
  });

  test('calls that are alike are planned once, and nothing of the values is kept', async () => {
    const backend = await wasmSimd.open();
    const conv = backend.conv({ weights: Float32Array.of(2), cOut: 1, cIn: 1, k: 1 });
    const other = backend.conv({ weights: Float32Array.of(3), cOut: 1, cIn: 1, k: 1 });
    const call = (value: number, weights = conv, width = 2, dilation = 1): Promise<Float32Array> =>
      backend.run((ops) =>
        ops.conv2d(ops.input(new Float32Array(width).fill(value), [1, 1, width, 1]), weights, { ...PLAIN, dilation }),
      );
    vi.mocked(plan).mockClear();
    expect([...(await call(1))]).toEqual([2, 2]);
    expect([...(await call(5))]).toEqual([10, 10]);
    expect(plan).toHaveBeenCalledTimes(1);
    expect([...(await call(5, other))]).toEqual([15, 15]);
    expect([...(await call(5, conv, 3))]).toEqual([10, 10, 10]);
    expect([...(await call(5, conv, 2, 2))]).toEqual([10, 10]);
    expect(plan).toHaveBeenCalledTimes(4);
    expect([...(await call(7))]).toEqual([14, 14]);
    expect(plan).toHaveBeenCalledTimes(4);
    backend.dispose();
  });

  test('the images of one program take the memory of one', async () => {
    const backend = await wasmSimd.open();
    const image = { data: new Uint8ClampedArray(20_000 * 4), width: 20_000, height: 1 };
    const copies = (count: number) =>
      backend.runPixels((ops) => Array.from({ length: count }, () => throughPlanes(ops, image, false)));
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow');
    await copies(1);
    expect(grow).toHaveBeenCalled();
    grow.mockClear();
    expect(await copies(8)).toHaveLength(8);
    expect(grow).not.toHaveBeenCalled();
    grow.mockRestore();
    backend.dispose();
  });
});
