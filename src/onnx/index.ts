// carafe-web/onnx: CARAFE as ONNX graphs that every runtime has the ops for.
import type { Bytes } from '../core/platform.js';
import { checkModule, type CarafeModuleOptions, type CarafeWeights } from '../api/module-options.js';
import { outputChannels } from '../core/shapes.js';
import { carafeModule } from './carafe.js';
import { OnnxGraph } from './graph.js';

export type { Bytes } from '../core/platform.js';
export type { Window } from '../core/shapes.js';
export { type FoundCarafe, rewriteCarafe, withOutputs } from './rewrite.js';

/**
 * The learned module as an ONNX model (opset 13): input `x` (n, c, h, w), output `y` (n, c, h*scale, w*scale), or
 * with the channels of `out`; any n, h and w.
 * @throws {CarafeError} InvalidOption, ShapeMismatch: as createCarafe
 */
export function carafeToOnnx(weights: CarafeWeights, options: CarafeModuleOptions = {}): Bytes {
  const module = checkModule(weights, options);
  const c = (module.compress ?? module.encode).weights.shape[1];
  const g = new OnnxGraph();
  carafeModule(g, 'x', module, 'y');
  return g.finish(
    { x: ['n', c, 'h', 'w'] },
    { y: ['n', module.out ? outputChannels(module.out) : c, 'h_out', 'w_out'] },
  );
}
