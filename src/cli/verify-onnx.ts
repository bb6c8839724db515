// Runs a model in ONNX Runtime on random inputs and compares it with carafe-web's reference, before it is written.
import type { InferenceSession } from 'onnxruntime-web';
import {
  carafe,
  CarafeError,
  type CarafeModuleOptions,
  type CarafeWeights,
  createCarafe,
  type Shape,
  type Tensor,
} from '../index.js';
import { type FoundCarafe, withOutputs } from '../onnx/index.js';

/** Of the largest value: f32 sums of some thousand products. Graphs that compute something else differ by tenths. */
const TOLERANCE = 1e-4;
const ANY_SIZE = 64; // of an input's axis that has none: networks that halve their maps need multiples

/** The module of carafeToOnnx, on two sizes: the largest difference, as a part of the largest value. @throws {CarafeError} */
export async function verifyModule(
  model: Uint8Array,
  weights: CarafeWeights,
  options: CarafeModuleOptions,
): Promise<number> {
  const module = await createCarafe(weights, { ...options, backend: 'reference' });
  try {
    const [, c] = (weights.compress ?? weights.encode).weights.shape;
    const differences: number[] = [];
    for (const [n, h, w] of [
      [1, 6, 5],
      [2, 3, 8],
    ]) {
      const x = noise([n, c, h, w]);
      const [y] = await runs(model, { x }, ['y']);
      differences.push(check(y, await module.upsample(x), 'y'));
    }
    return Math.max(...differences);
  } finally {
    module.dispose();
  }
}

/** What rewriteCarafe replaced, each with the features and kernels that it has there. @throws {CarafeError} */
export async function verifyRewritten(model: Uint8Array, found: readonly FoundCarafe[]): Promise<number> {
  const names = [...new Set(found.flatMap(({ features, kernels, output }) => [features, kernels, output]))];
  const inputs = await inputShapes(model);
  const fed = Object.fromEntries([...inputs].map(([name, shape]) => [name, noise(shape)]));
  const computed = names.filter((name) => !inputs.has(name));
  const results = await runs(withOutputs(model, computed), fed, computed);
  const values = new Map(computed.map((name, i) => [name, results[i]]));
  const differences: number[] = [];
  for (const { features, kernels, output, scale, kUp, groups } of found) {
    const [x, k] = [features, kernels].map((name) => fed[name] ?? values.get(name));
    const want = await carafe(x, k, { scale, kUp, groups, backend: 'reference' });
    differences.push(check(values.get(output)!, want, output));
  }
  return Math.max(...differences);
}

function check(got: Tensor, want: Tensor, name: string): number {
  const same = got.shape.join() === want.shape.join();
  const largest = want.data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  const difference = same
    ? want.data.reduce((max, v, i) => Math.max(max, Math.abs(v - got.data[i])), 0) / largest
    : Number.NaN;
  if (difference <= TOLERANCE) return difference;
  throw new CarafeError(
    'ModelInvalid',
    `Expected an ONNX model that computes the same as carafe-web for ${JSON.stringify(name)}, got ${same ? `a difference of ${difference} of the largest value` : `shape [${got.shape}], not [${want.shape}]`}: nothing was written`,
  );
}

async function inputShapes(model: Uint8Array): Promise<Map<string, Shape>> {
  return withSession(model, async ({ inputMetadata }) => {
    return new Map(
      inputMetadata.map((input) => {
        if (!input.isTensor || input.type !== 'float32' || input.shape.length !== 4)
          throw failed(`an input "${input.name}" that is not f32 of four dimensions`);
        const shape = input.shape.map((size, axis) =>
          typeof size === 'number' && size > 0 ? size : axis === 0 ? 1 : ANY_SIZE,
        );
        return [input.name, shape as unknown as Shape];
      }),
    );
  });
}

async function runs(
  model: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
  outputs: readonly string[],
): Promise<Tensor[]> {
  return withSession(model, async (session, ort) => {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor('float32', data, shape)]),
    );
    const results = await session.run(feeds, [...outputs]);
    return outputs.map((name) => {
      const { data, dims } = results[name];
      return { data: data as Float32Array, shape: dims as unknown as Shape };
    });
  });
}

async function withSession<T>(
  model: Uint8Array,
  work: (session: InferenceSession, ort: typeof import('onnxruntime-web')) => Promise<T>,
): Promise<T> {
  const ort = await import('onnxruntime-web').catch(() => {
    throw new CarafeError(
      'BackendUnavailable',
      'Expected the package "onnxruntime-web", which ONNX is tested with before it is written, got none: npm install onnxruntime-web',
    );
  });
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false });
  try {
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
    try {
      return await work(session, ort);
    } finally {
      await session.release();
    }
  } catch (error) {
    throw error instanceof CarafeError ? error : failed((error as Error).message.split('\n')[0]);
  }
}

function failed(got: string): CarafeError {
  return new CarafeError('ModelInvalid', `Expected a model that runs in ONNX Runtime, got ${got}: nothing was written`);
}

/** Values of -1..1, the same every time. */
function noise(shape: Shape): Tensor {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return { data, shape };
}
