// Gradients of the module (carafe-web/backward) on wasm, this thread, beside its forward pass: checked against the reference, or refused.
import { createCarafe } from 'carafe-web/backward';
import { operatorData, values } from './data.js';
import { interleave, summary } from './measure.js';
import { operatorFlops } from './shapes.js';

const TOLERANCE = 1e-4; // of the largest gradient: f32 sums over all pixels

/**
 * @param {import('./shapes.js').OperatorShape[]} shapes
 * @param {{ timing: Parameters<typeof interleave>[1], log: (line: string) => void }} options
 */
export async function benchBackward(shapes, { timing, log }) {
  const results = [];
  for (const shape of shapes) {
    const { name, scale, kUp, groups, c, h, w } = shape;
    const { x, weights } = operatorData(shape);
    const gradient = { data: values(c * h * w * scale ** 2, 9), shape: [1, c, h * scale, w * scale] };
    const window = { scale, kUp, groups };
    const module = await createCarafe(weights, { ...window, backend: 'wasm', thread: 'inline' });
    const largestError = await check(weights, window, x, gradient, module);
    const samples = await interleave(
      [
        { name: 'forward', run: () => module.upsample(x) },
        { name: 'backward', run: () => module.backward(x, gradient) },
      ],
      timing,
    );
    module.dispose();
    // The forward values again; each product of the forward pass differentiated by either factor.
    const flops = 3 * operatorFlops(shape);
    const [forward, backward] = [summary(samples.forward), summary(samples.backward, flops)];
    results.push({ name, gflop: flops / 1e9, forward, backward, largestError });
    log(`${name}: ${backward.cpuMs.toFixed(1)} ms of CPU for all gradients, forward ${forward.cpuMs.toFixed(1)}`);
  }
  return results;
}

/** Of the largest gradient. */
async function check(weights, window, x, gradient, module) {
  const reference = await createCarafe(weights, { ...window, backend: 'reference' });
  const [want, got] = [await reference.backward(x, gradient), await module.backward(x, gradient)];
  reference.dispose();
  const pairs = [
    [want.x, got.x],
    ...['compress', 'encode'].flatMap((stage) =>
      ['weights', 'bias'].map((part) => [want[stage][part], got[stage][part]]),
    ),
  ];
  const errors = pairs.map(([a, b]) => {
    const largest = a.data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    return a.data.reduce((max, v, i) => Math.max(max, Math.abs(v - b.data[i])), 0) / largest;
  });
  const worst = Math.max(...errors);
  if (!(worst <= TOLERANCE)) throw new Error(`Expected gradients within ${TOLERANCE} of the reference, got ${worst}`);
  return worst;
}
