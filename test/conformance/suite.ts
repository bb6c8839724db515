// Conformance: every case on a backend, against the reference and its computed bounds. Knows no test runner and no
// platform; node.test.ts, the Chromium page and its worker each bring a `test` function and a backend.
import type { Backend, Ops } from '../../src/backends/backend.js';
import {
  type Arithmetic,
  ARITHMETIC,
  HALF,
  bound,
  boundConv,
  type Bounded,
  type BoundedPixels,
  boundPixels,
} from './bounds.js';
import { type Case, caseName, cases } from './cases.js';
import { contracts } from './contracts.js';
import type { Picture } from '../pictures.js';
import { checkEmpty, emptyCases, spoiltCases } from './nan.js';
import { type Program, programOf } from './programs.js';

export interface Runner {
  test(name: string, body: () => Promise<void>): void;
}

/** A test's name, and what went wrong. */
export interface Outcome {
  readonly name: string;
  readonly error?: string;
}

/**
 * Where there is no test runner: runs what was registered, so many at once (where a readback is mostly waiting), and
 * reports as plain data.
 */
export async function outcomes(register: (runner: Runner) => void, atOnce = 1): Promise<Outcome[]> {
  const tests: { name: string; body: () => Promise<void> }[] = [];
  register({ test: (name, body) => void tests.push({ name, body }) });
  const results: Outcome[] = [];
  for (let first = 0; first < tests.length; first += atOnce) {
    results.push(
      ...(await Promise.all(
        tests.slice(first, first + atOnce).map(({ name, body }) =>
          body().then(
            () => ({ name }),
            (error: unknown) => ({ name, error: error instanceof Error ? error.message : String(error) }),
          ),
        ),
      )),
    );
  }
  return results;
}

/** Two pictures that differ, for runners that can write them to files. */
export class PictureError extends Error {
  readonly pictures: Readonly<Record<'got' | 'want', Picture>>;

  constructor(message: string, pictures: PictureError['pictures']) {
    super(message);
    this.pictures = pictures;
  }
}

/** Registers one test for each case and each contract. `open` is called once; if it fails, so does every test. */
export function conformance(open: () => Promise<Backend>, { test }: Runner): void {
  let opened: Promise<Backend> | undefined;
  const backend = (): Promise<Backend> => (opened ??= open());
  for (const c of cases) test(caseName(c), async () => checkCase(await backend(), c));
  for (const { name, program } of spoiltCases) test(name, async () => checkProgram(await backend(), program));
  for (const { name, program } of emptyCases) test(name, async () => checkEmpty(await backend(), program));
  for (const { name, check } of contracts) test(`contract: ${name}`, async () => check(await backend()));
}

/**
 * The cases on a backend that stores tensors as f16. Bytes may be 1 off the reference's: of a whole network no bound
 * says as much.
 */
export function halfConformance(open: () => Promise<Backend>, { test }: Runner): void {
  let opened: Promise<Backend> | undefined;
  for (const c of cases) {
    test(`f16 ${caseName(c)}`, async () => {
      const backend = await (opened ??= open());
      await poison(backend);
      const program = programOf(c);
      if ('tensor' in program) return checkProgram(backend, program, HALF);
      const convs = program.convs.map((conv) => backend.conv(conv));
      const [got] = await backend.runPixels((ops) => [program.pixels(ops, convs)]);
      const { low, high, width, height } = boundPixels(
        (ops) => program.pixels(ops, program.convs.map(boundConv)),
        ARITHMETIC.reference,
      );
      assertPixelsWithin(got, { low: low.map((v) => v - 1), high: high.map((v) => v + 1), width, height }, 1);
    });
  }
}

export const halfTestNames: readonly string[] = cases.map((c) => `f16 ${caseName(c)}`);

/** The name of every test that `conformance` registers. */
export const testNames: readonly string[] = [
  ...cases.map(caseName),
  ...[...spoiltCases, ...emptyCases].map(({ name }) => name),
  ...contracts.map(({ name }) => `contract: ${name}`),
];

/** @throws {Error} that names the worst element if the backend is outside the bounds. */
export async function checkCase(backend: Backend, c: Case): Promise<void> {
  await poison(backend);
  await checkProgram(backend, programOf(c));
}

export async function checkProgram(
  backend: Backend,
  program: Program,
  arithmetic: Arithmetic = ARITHMETIC[backend.name],
): Promise<void> {
  const convs = program.convs.map((conv) => backend.conv(conv));
  const boundedConvs = program.convs.map(boundConv);
  if ('tensor' in program) {
    const got = await backend.run((ops) => program.tensor(ops, convs));
    assertWithin(
      got,
      bound((ops) => program.tensor(ops, boundedConvs), arithmetic),
    );
  } else {
    const [got] = await backend.runPixels((ops) => [program.pixels(ops, convs)]);
    assertPixelsWithin(
      got,
      boundPixels((ops) => program.pixels(ops, boundedConvs), arithmetic),
    );
  }
}

/**
 * Leaves NaN in the memory that the next program gets, so that an op that reads what nothing wrote does not pass by
 * luck.
 */
export async function poison(backend: Backend): Promise<void> {
  await backend.run((ops: Ops) => {
    for (let length = 16; length <= 1 << 16; length *= 4)
      ops.input(new Float32Array(length).fill(NaN), [1, 1, 1, length]);
    return ops.input(Float32Array.of(NaN), [1, 1, 1, 1]);
  });
}

export function assertWithin(got: Float32Array, { value, error, shape }: Bounded): void {
  if (got.length !== value.data.length)
    throw new Error(`${got.length} values, expected ${value.data.length} of shape [${shape.join(', ')}]`);
  let wrong = 0;
  let worst = -1;
  let worstRatio = 0;
  for (let i = 0; i < got.length; i++) {
    if (Number.isNaN(value.data[i]) && Number.isNaN(got[i])) continue;
    const difference = Math.abs(got[i] - value.data[i]);
    if (difference <= error.data[i]) continue; // NaN does not pass
    wrong++;
    const ratio = Number.isNaN(difference) ? Infinity : difference / error.data[i];
    if (worst < 0 || ratio > worstRatio) {
      worst = i;
      worstRatio = ratio;
    }
  }
  if (wrong > 0) {
    throw new Error(
      `${wrong} of ${got.length} values are outside the bounds; the worst, at [${position(worst, shape).join(', ')}], is ${got[worst]}, expected ${value.data[worst]} +- ${error.data[worst]}`,
    );
  }
}

/** @param maxTies the largest share of bytes that may have more than one right value */
export function assertPixelsWithin(
  got: Uint8ClampedArray,
  { width, height, low, high }: BoundedPixels,
  maxTies = 1 / 20,
): void {
  if (got.length !== low.length)
    throw new Error(`${got.length} bytes, expected ${low.length} of ${width}x${height} pixels`);
  let wrong = 0;
  let first = -1;
  let ties = 0;
  for (let i = 0; i < got.length; i++) {
    if (low[i] !== high[i]) ties++;
    if (got[i] >= low[i] && got[i] <= high[i]) continue;
    if (wrong++ === 0) first = i;
  }
  if (wrong > 0) {
    const at = position(first, [1, height, width, 4]).slice(1).join(', ');
    const message = `the first, at [${at}], is ${got[first]}, expected ${low[first]}..${high[first]}`;
    const pictures = { got: { data: got.slice(), width, height }, want: { data: low.slice(), width, height } };
    throw new PictureError(`${wrong} of ${got.length} bytes are wrong; ${message}`, pictures);
  }
  // The intervals test something only while they are narrow: bytes at a rounding tie, for which two values are right,
  // are to be few.
  if (ties > 1 + got.length * maxTies)
    throw new Error(`${ties} of ${got.length} bytes are at a rounding tie: the bounds are too wide to test anything`);
}

function position(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at.unshift(index % shape[axis]);
    index = Math.floor(index / shape[axis]);
  }
  return at;
}
