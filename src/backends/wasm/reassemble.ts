// reassemble on assembly/reassemble.ts, a row of source pixels at a time, and of it a slice of channels at a time.
import { borderIndex } from '../../core/border.js';
import { type Layout, type Padding, reassembleShape } from '../../core/shapes.js';
import type { Shape } from '../../core/tensor.js';
import { REASSEMBLE_CHANNELS } from './constants.js';
import type { Program, Values } from './program.js';
import { ceilTo, type Input, produce, type Rows, type Work } from './rows.js';
import { Planes } from './sinks.js';

const SLICE = 80; // channels at most, whose windows stay in L1 from pixel to pixel
// channels; slices of wider pixels are copied to lie together: 80 out of 256 share cache sets and foil the prefetcher
const WIDE = 128;

/** Channels of one group. */
interface Slice {
  readonly group: number;
  readonly from: number;
  readonly channels: number;
}

/** Where the output of some source pixels goes: rows, pixels and channels lie so many bytes apart. */
interface Target {
  readonly address: number;
  readonly row: number;
  readonly pixel: number;
  readonly channel: number;
}

export function reassemble(
  program: Program,
  features: Values,
  kernels: Values,
  s: number,
  kUp: number,
  groups: number,
  padding: Padding,
  layout: Layout,
): Rows | Planes {
  const { machine, wasm } = program;
  const [rows, whole] = [program.rows(kernels), program.rows(features)];
  const shape = reassembleShape(whole.shape, rows.shape, { scale: s, kUp, groups }, layout);
  const [n, h, w, c] = whole.shape;
  const r = (kUp - 1) / 2;
  const slices = sliceChannels(c, groups);
  const sides = padding === 'zero' ? 0 : r; // columns that x already has on both sides
  const apart = c > WIDE;
  const x =
    apart || sides > 0
      ? copySlices(program, whole, apart ? slices : [{ group: 0, from: 0, channels: c }], sides, padding)
      : whole;
  const pixelBytes = x.shape[3] * 4;
  const kernelBytes = kUp * kUp * s * s * 4; // of a group
  const copyBytes = padding === 'zero' ? w * groups * kernelBytes : 0;
  const inputs: Input[] = [
    {
      rows: x,
      reads: (y) => [y / s - r, y / s + r + 1],
      columns: ([left, right]) => [left / s - r + sides, Math.ceil(right / s) + r + sides],
    },
    { rows, reads: (y) => [y / s, y / s + 1], columns: ([left, right]) => [left / s, Math.ceil(right / s)] },
  ];
  const options = { inputs, block: s, grid: s, scratchBytes: copyBytes + wasm.reassembleScratch(kUp) };
  /** Source pixels left..right-1 of source row y. */
  const write = (
    { inputs: [from, kernelRows] }: Work,
    image: number,
    y: number,
    left: number,
    right: number,
    to: Target,
    scratch: number,
  ): void => {
    const given = kernelRows.at(image, y, left);
    const taps = padding === 'zero' ? wasm.insideTaps(given, scratch, y, left, right, h, w, s, kUp, groups) : given;
    slices.forEach(({ group, from: first, channels }, i) => {
      const [piece, skip] = apart ? [image * slices.length + i, 0] : [image, first * 4];
      wasm.reassemble(
        machine.addresses(kUp, (ky) => from.at(piece, borderIndex(y - r + ky, h, padding), left - r + sides) + skip),
        taps + group * kernelBytes,
        to.address + first * to.channel,
        to.row,
        to.pixel,
        to.channel,
        scratch + copyBytes,
        right - left,
        channels,
        pixelBytes,
        groups * kernelBytes,
        s,
        kUp,
      );
    });
  };
  if (layout === 'NCHW') {
    return new Planes(shape, options, ({ image, y, left, right, address, row, plane, scratch }, work) =>
      write(work, image, y / s, left / s, right / s, { address, row, pixel: 4, channel: plane }, scratch),
    );
  }
  return produce(shape, options, ({ y: row, left, right }, work) => {
    const { y, scratch } = work;
    for (let i = 0; i < n; i++) {
      const to = { address: y.at(i, row, left), row: y.rowBytes, pixel: c * 4, channel: 4 };
      write(work, i, row / s, left / s, Math.ceil(right / s), to, scratch);
    }
  });
}

function sliceChannels(c: number, groups: number): Slice[] {
  const perGroup = c / groups;
  const maxChannels = ceilTo(perGroup / Math.ceil(perGroup / SLICE), REASSEMBLE_CHANNELS);
  const slices: Slice[] = [];
  for (let from = 0; from < c; from += slices.at(-1)!.channels)
    slices.push({
      group: Math.floor(from / perGroup),
      from,
      channels: Math.min(maxChannels, perGroup - (from % perGroup)),
    });
  return slices;
}

/**
 * x [n, h, w, c] -> [n * slices, h, w + 2*sides, channels of a slice], with the border's values where there are no
 * zeros to be.
 */
function copySlices({ wasm }: Program, x: Rows, slices: readonly Slice[], sides: number, padding: Padding): Rows {
  const [n, h, w, c] = x.shape;
  const width = ceilTo(slices[0].channels, 4);
  const input: Input = { rows: x, reads: (y) => [y, y + 1], columns: (range) => (sides > 0 ? [0, w] : range) };
  const shape: Shape = [n * slices.length, h, w + 2 * sides, width];
  return produce(shape, { inputs: [input] }, ({ y: row, left, right }, { y, inputs: [from] }) => {
    const copy = (column: number, count: number): void => {
      for (let image = 0; image < n; image++) {
        slices.forEach((slice, i) => {
          wasm.copy(
            from.at(image, row, borderIndex(column - sides, w, padding)) + slice.from * 4,
            y.at(image * slices.length + i, row, column),
            slice.channels * 4,
            c * 4,
            width * 4,
            count,
          );
        });
      }
    };
    const [first, last] = [Math.max(left, sides), Math.min(right, w + sides)];
    for (let column = left; column < first; column++) copy(column, 1);
    copy(first, last - first);
    for (let column = last; column < right; column++) copy(column, 1);
  });
}
