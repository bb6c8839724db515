// Time against area: square images through one worker. What is fitted is log(time) = a + exponent * log(area).
import { createUpscaler } from 'carafe-web';
import { testImage } from './data.js';
import { interleave, summary } from './measure.js';

export async function benchLinear(sides, { log }) {
  const upscaler = await createUpscaler({ backend: 'wasm', thread: 'worker', workers: 1 });
  const points = [];
  for (const side of sides) {
    const image = testImage(side, side);
    const { upscale } = await interleave([{ name: 'upscale', run: () => upscaler.upscale(image) }], {
      rounds: 5,
      minRounds: 1,
      sampleMs: 100,
      warmupMs: 300,
      budgetMs: 5_000,
    });
    const { cpuMs, wallMs } = summary(upscale);
    points.push({ side, cpuMs, wallMs });
    log(`${side}x${side}: ${cpuMs.toFixed(1)} ms of CPU`);
  }
  upscaler.dispose();
  return { points, exponent: { cpu: slope(points, 'cpuMs'), wall: slope(points, 'wallMs') } };
}

function slope(points, key) {
  const xs = points.map(({ side }) => Math.log(side * side));
  const ys = points.map((point) => Math.log(point[key]));
  const mean = (list) => list.reduce((sum, v) => sum + v, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  return xs.reduce((sum, x, i) => sum + (x - mx) * (ys[i] - my), 0) / xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
}
