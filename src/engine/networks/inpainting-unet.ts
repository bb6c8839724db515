// A small U-Net that fills holes in images (training/architectures.py, InpaintingUNet): halved by pixel unshuffle and a
// convolution, level by level, and enlarged again beside the level's own map. Its upsampler is any of table 2.
import { type ConvOptions, type DeviceConv, type DeviceTensor, type Ops, PLAIN } from '../../backends/backend.js';
import type { LoadedNetwork } from './loaded-network.js';
import type { StateDict } from './state-dict.js';
import type { NetworkUpsampler } from './upsampler-names.js';
import { consume, loadUpsampler, type Upsampler } from './upsamplers.js';

export interface InpaintingUNetSettings {
  readonly upsampler: NetworkUpsampler;
}

interface Level {
  readonly down: DeviceConv;
  readonly encoder: DeviceConv;
  readonly up: Upsampler;
  readonly decoder: DeviceConv;
}

const LEAKY: ConvOptions<never> = { ...PLAIN, activation: 'leaky-relu', slope: 0.2 };
const INPUTS = 4; // colours, and the hole

/**
 * Input [n, h, w, 4]: red, green and blue - 0.5, all 0 in the hole, and 1 in the hole. Output [n, h, w, 3]: red, green and
 * blue - 0.5. @throws {CarafeError} ModelInvalid
 */
export function loadInpaintingUNet(weights: StateDict, { upsampler }: InpaintingUNetSettings): LoadedNetwork {
  let c = INPUTS;
  const levels = Array.from({ length: weights.count((i) => `downs.${i}`) }, (_, i): Level => {
    const down = weights.conv(`downs.${i}`, { cIn: 4 * c });
    const level = {
      down,
      encoder: weights.conv(`encoders.${i}`, { cIn: down.cOut, cOut: down.cOut }),
      up: loadUpsampler(weights, `ups.${i}`, upsampler, down.cOut),
      decoder: weights.conv(`decoders.${i}`, { cIn: down.cOut + c, ...(i > 0 && { cOut: c }) }),
    };
    c = down.cOut;
    return level;
  });
  const middle = weights.conv('middle', { cIn: c, cOut: c });
  const out = weights.conv('out', { cIn: levels[0].decoder.cOut, cOut: 3 });
  return {
    inputs: [INPUTS],
    multiple: 2 ** levels.length,
    check() {},
    run(ops, [x]) {
      const maps = [x];
      for (const { down, encoder } of levels) maps.push(halved(ops, maps.at(-1)!, down, encoder));
      const deepest = maps.pop()!;
      let y = consume(ops, deepest, (z) => ops.conv2d(z, middle, { ...LEAKY, dilation: 2, residual: z }));
      for (const { up, decoder } of [...levels].reverse()) {
        const skip = maps.pop()!;
        const big = consume(ops, y, (z) => up(ops, z));
        const both = ops.concat(big, skip);
        ops.free(big);
        if (skip !== x) ops.free(skip);
        y = consume(ops, both, (z) => ops.conv2d(z, decoder, LEAKY));
      }
      return [consume(ops, y, (z) => ops.conv2d(z, out, PLAIN))];
    },
  };
}

function halved(ops: Ops, x: DeviceTensor, down: DeviceConv, encoder: DeviceConv): DeviceTensor {
  const small = consume(ops, ops.pixelUnshuffle(x, 2), (z) => ops.conv2d(z, down, LEAKY));
  return consume(ops, small, (z) => ops.conv2d(z, encoder, { ...LEAKY, residual: z }));
}
