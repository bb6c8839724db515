// What every loader of a whole architecture gives.
import type { DeviceTensor, Ops } from '../../backends/backend.js';
import type { Shape } from '../../core/tensor.js';

export interface LoadedNetwork {
  /** Channels of each input; undefined: not read. */
  readonly inputs: readonly (number | undefined)[];
  /** Height and width of the inputs are multiples of it; default 1. */
  readonly multiple?: number;
  /** Pixels beyond its square of `multiple` x `multiple` inputs that an output depends on, where that is counted. */
  readonly reach?: number;
  /** Whether sizes [n, h, w, c] fit each other. @throws {CarafeError} ShapeMismatch */
  check(shapes: readonly Shape[]): void;
  /** Tensors in NHWC; the inputs are still there afterwards. */
  run(ops: Ops, inputs: readonly DeviceTensor[]): DeviceTensor[];
}
