// Timing that survives a noisy machine: the contenders take turns in one process (A B C C B A A B C ...), ratios are medians over the
// rounds, and CPU time of the whole process (all its threads) is taken beside wall time.

/** @typedef {{ name: string, run: () => unknown }} Contender */
/** @typedef {{ wall: number[], cpu: number[] }} Samples milliseconds of one call, a value a round */

const now = () => performance.now();
const cpuNow = globalThis.process?.cpuUsage
  ? () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    }
  : undefined;

/**
 * @param {Contender[]} contenders
 * @param {{ rounds?: number, minRounds?: number, sampleMs?: number, warmupMs?: number, budgetMs?: number }} options a sample is as many calls
 *   as fill sampleMs; warming up takes warmupMs and at least two calls, one if that took a second; rounds end early, after minRounds, when budgetMs is used up
 * @returns {Promise<Record<string, Samples>>}
 */
export async function interleave(
  contenders,
  { rounds = 15, minRounds = 3, sampleMs = 20, warmupMs = 250, budgetMs = 30_000 } = {},
) {
  const calls = new Map();
  for (const { name, run } of contenders) {
    const times = [];
    const start = now();
    while (times.length < 1 || now() - start < warmupMs || (times.length < 2 && times[0] < 1000)) {
      const before = now();
      await run();
      times.push(now() - before);
    }
    calls.set(name, Math.max(1, Math.ceil(sampleMs / Math.max(0.001, Math.min(...times)))));
  }
  const samples = Object.fromEntries(contenders.map(({ name }) => [name, { wall: [], cpu: [] }]));
  const start = now();
  for (let round = 0; round < rounds && (round < minRounds || now() - start < budgetMs); round++) {
    for (const { name, run } of round % 2 ? contenders.toReversed() : contenders) {
      // nobody always follows the same one
      const count = calls.get(name);
      const [wall, cpu] = [now(), cpuNow?.()];
      for (let i = 0; i < count; i++) await run();
      samples[name].wall.push((now() - wall) / count);
      if (cpuNow) samples[name].cpu.push((cpuNow() - cpu) / count);
    }
  }
  return samples;
}

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How many times as long as `ours` the other took: the median of the rounds' own ratios. */
export function ratio(ours, other) {
  const of = (clock) =>
    ours[clock].length ? median(ours[clock].map((value, i) => other[clock][i] / value)) : undefined;
  return { wall: of('wall'), cpu: of('cpu') };
}

/** Medians, and the best round (what the code can do when nothing else runs); with flops also GF/s from CPU time (wall where there is none), and the share of the probe's speed of the same rounds. */
export function summary(samples, flops, probe) {
  const clock = samples.cpu.length ? 'cpu' : 'wall';
  return {
    wallMs: median(samples.wall),
    bestMs: Math.min(...samples[clock]),
    ...(samples.cpu.length && { cpuMs: median(samples.cpu) }),
    rounds: samples.wall.length,
    ...(flops && { gfs: flops / median(samples[clock]) / 1e6 }),
    ...(flops &&
      probe && { share: median(samples[clock].map((ms, i) => flops / ms / (probe.flops / probe.samples[clock][i]))) }),
  };
}
