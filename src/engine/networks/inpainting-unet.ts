// A small U-Net that fills holes in images (training/architectures.py, InpaintingUNet): halved by pixel unshuffle and a
// convolution, level by level, and enlarged again beside the level's own map. Its upsampler is any of table 2. It adds to a
// coarse filling: means of the known colours around.
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
const COLOURS = 3;
const INPUTS = COLOURS + 1; // and what is known
const CELL = 8; // pixels on a side that the coarse filling takes together
const MIDDLE_DILATION = 2;
const TENT = [1, 2, 3, 2, 1].map((v) => v / 9); // over cells, on each axis

/**
 * Inputs: red, green and blue - 0.5 [n, h, w, 3], and what is known of them, 1 or in the hole 0 [n, h, w, 1]; there the
 * colours are 0 as well. Output [n, h, w, 3]: red, green and blue - 0.5. @throws {CarafeError} ModelInvalid
 */
export function loadInpaintingUNet(weights: StateDict, { upsampler }: InpaintingUNetSettings): LoadedNetwork {
  const coarse = coarseFilling(weights);
  let c = INPUTS + COLOURS;
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
  const out = weights.conv('out', { cIn: levels[0].decoder.cOut, cOut: COLOURS });
  const multiple = Math.max(CELL, 2 ** levels.length);
  return {
    inputs: [COLOURS, 1],
    multiple,
    reach: Math.ceil(-firstSeen(levels, middle, out) / multiple) * multiple,
    check() {},
    run(ops, [colours, known]) {
      const given = ops.concat(colours, known);
      const filling = coarse(ops, given);
      const maps = [ops.concat(given, filling)];
      ops.free(given);
      for (const { down, encoder } of levels) maps.push(halved(ops, maps.at(-1)!, down, encoder));
      const deepest = maps.pop()!;
      let y = consume(ops, deepest, (z) => ops.conv2d(z, middle, { ...LEAKY, dilation: MIDDLE_DILATION, residual: z }));
      for (const { up, decoder } of [...levels].reverse()) {
        const skip = maps.pop()!;
        const big = consume(ops, y, (z) => up(ops, z));
        const both = ops.concat(big, skip);
        ops.free(big, skip);
        y = consume(ops, both, (z) => ops.conv2d(z, decoder, LEAKY));
      }
      const filled = consume(ops, y, (z) => ops.conv2d(z, out, { ...PLAIN, residual: filling }));
      ops.free(filling);
      return [filled];
    },
  };
}

/** The first pixel on an axis, below 0, that the output's pixel 0 depends on. */
function firstSeen(levels: readonly Level[], middle: DeviceConv, out: DeviceConv): number {
  const radius = ({ k }: DeviceConv): number => (k - 1) / 2;
  let first = -radius(out);
  for (const { up, decoder } of levels) first = Math.floor((first - radius(decoder)) / 2) - (up.reach ?? Infinity);
  first -= radius(middle) * MIDDLE_DILATION;
  for (const { encoder, down } of [...levels].reverse()) first = 2 * (first - radius(encoder) - radius(down));
  const cells = (TENT.length - 1) / 2 + 1; // the sum of cells, and the next one of bilinear enlargement
  return (Math.floor(first / CELL) - cells) * CELL;
}

/** The sum of known colours in cells around each pixel, by how many there are. */
function coarseFilling(weights: StateDict): Upsampler {
  /** Sums over 5x5 cells of input channels `first`, `first + 1`, ... */
  const sums = (cOut: number, first: number, bias: number): DeviceConv =>
    weights.place({
      weights: Float32Array.from({ length: cOut * INPUTS * 25 }, (_, i) =>
        Math.floor(i / 25) % INPUTS === first + Math.floor(i / 25 / INPUTS)
          ? TENT[Math.floor((i % 25) / 5)] * TENT[i % 5]
          : 0,
      ),
      bias: new Float32Array(cOut).fill(bias),
      cOut,
      cIn: INPUTS,
      k: 5,
    });
  const colours = sums(COLOURS, 0, 0);
  const known = sums(1, COLOURS, 1e-6);
  return (ops, x) => {
    const [, h, w] = x.shape;
    const cells = ops.averagePool(x, h / CELL, w / CELL);
    const [sum, count] = [colours, known].map((conv) => ops.conv2d(cells, conv, PLAIN));
    const means = ops.arithmetic(sum, 'divide', count);
    ops.free(cells, sum, count);
    return consume(ops, means, (y) => ops.resize(y, h, w, 'bilinear', -0.5));
  };
}

function halved(ops: Ops, x: DeviceTensor, down: DeviceConv, encoder: DeviceConv): DeviceTensor {
  const small = consume(ops, ops.pixelUnshuffle(x, 2), (z) => ops.conv2d(z, down, LEAKY));
  return consume(ops, small, (z) => ops.conv2d(z, encoder, { ...LEAKY, residual: z }));
}
