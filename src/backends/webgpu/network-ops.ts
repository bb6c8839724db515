// The ops of whole architectures (NetworkOps), which the upscaler's worker does without: scripts/build.js leaves this
// file and its shaders out of it.
import type { NetworkOps } from '../backend.js';
import { arithmetic } from './arithmetic.js';
import { averagePool } from './average-pool.js';
import type { CommandList, GpuTensor } from './command-list.js';
import { concat } from './concat.js';
import { gridSample } from './grid-sample.js';
import { slice } from './slice.js';

export function networkOps(list: CommandList): NetworkOps<GpuTensor> {
  return {
    slice: (...args) => slice(list, ...args),
    concat: (...xs) => concat(list, ...xs),
    arithmetic: (...args) => arithmetic(list, ...args),
    averagePool: (...args) => averagePool(list, ...args),
    gridSample: (...args) => gridSample(list, ...args),
  };
}
