// reassemble on assembly/reassemble.ts, a row of source pixels at a time, and of it a slice of channels at a time.
import { borderIndex, type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import { REASSEMBLE_CHANNELS } from './constants.js';
import { Planes, produce, type Program, type WasmTensor } from './program.js';
import { ceilTo, type Input, type Range, type Rows } from './rows.js';

const SLICE = 80; // channels at most, whose windows stay in L1 from pixel to pixel
const WIDE = 128; // channels; slices of wider pixels are copied to lie together: 80 out of 256 share cache sets and foil the prefetcher

/** Channels of one group. */
interface Slice {
  readonly group: number;
  readonly from: number;
  readonly channels: number;
}

export function reassemble(
  program: Program,
  features: WasmTensor,
  kernels: WasmTensor,
  window: Window,
  padding: Padding,
  layout: Layout,
): WasmTensor {
  const { wasm } = program;
  const { scale: s, kUp, groups } = window;
  const [rows, whole] = [program.rows(kernels), program.rows(features)];
  const shape = reassembleShape(whole.shape, rows.shape, window, layout);
  const [n, h, , c] = whole.shape;
  const r = (kUp - 1) / 2;
  const slices = sliceChannels(c, groups);
  const sides = padding === 'zero' ? 0 : r; // columns that x already has on both sides
  const apart = c > WIDE;
  const x =
    apart || sides > 0
      ? copySlices(program, whole, apart ? slices : [{ group: 0, from: 0, channels: c }], sides, padding)
      : whole;
  const pixelBytes = x.shape[3] * 4;
  const kernelBytes = kUp * kUp * s * s * 4;
  const inputs: Input[] = [
    {
      rows: x,
      reads: (y) => [y / s - r, y / s + r + 1],
      columns: ([left, right]) => [left / s - r + sides, Math.ceil(right / s) + r + sides],
    },
    { rows, reads: (y) => [y / s, y / s + 1], columns: ([left, right]) => [left / s, Math.ceil(right / s)] },
  ];
  const options = { inputs, block: s, grid: s, scratchBytes: wasm.reassembleScratch(kUp) };
  /** Source pixels left..right-1 of source row y. */
  const write = (
    image: number,
    y: number,
    left: number,
    right: number,
    out: number,
    outRow: number,
    outPixel: number,
    outChannel: number,
    table: number,
  ): void => {
    slices.forEach(({ group, from, channels }, i) => {
      const [piece, skip] = apart ? [image * slices.length + i, 0] : [image, from * 4];
      const windowRows = program.addresses(
        kUp,
        (ky) => x.at(piece, borderIndex(y - r + ky, h, padding), left - r + sides) + skip,
      );
      wasm.reassemble(
        windowRows,
        rows.at(image, y, left) + group * kernelBytes,
        out + from * outChannel,
        outRow,
        outPixel,
        outChannel,
        table,
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
    return new Planes(shape, options, ({ image, y, left, right, address, row, plane, scratch }) =>
      write(image, y / s, left / s, right / s, address, row, 4, plane, scratch),
    );
  }
  return produce(shape, options, (y, { y: row, left, right, scratch }) => {
    for (let i = 0; i < n; i++)
      write(i, row / s, left / s, Math.ceil(right / s), y.at(i, row, left), y.rowBytes, c * 4, 4, scratch);
  });
}

function sliceChannels(c: number, groups: number): Slice[] {
  const perGroup = c / groups;
  const most = ceilTo(perGroup / Math.ceil(perGroup / SLICE), REASSEMBLE_CHANNELS);
  const slices: Slice[] = [];
  for (let from = 0; from < c; from += slices.at(-1)!.channels)
    slices.push({ group: Math.floor(from / perGroup), from, channels: Math.min(most, perGroup - (from % perGroup)) });
  return slices;
}

/** x [n, h, w, c] -> [n * slices, h, w + 2*sides, channels of a slice], with the border's values where there are no zeros to be. */
function copySlices({ wasm }: Program, x: Rows, slices: readonly Slice[], sides: number, padding: Padding): Rows {
  const [n, h, w, c] = x.shape;
  const width = ceilTo(slices[0].channels, 4);
  const columns = (range: Range): Range => (sides > 0 ? [0, w] : range);
  return produce(
    [n * slices.length, h, w + 2 * sides, width],
    { inputs: [{ rows: x, reads: (y) => [y, y + 1], columns }] },
    (y, { y: row, left, right }) => {
      const copy = (column: number, count: number): void => {
        for (let image = 0; image < n; image++) {
          slices.forEach(({ from, channels }, i) => {
            wasm.copy(
              x.at(image, row, borderIndex(column - sides, w, padding)) + from * 4,
              y.at(image * slices.length + i, row, column),
              channels * 4,
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
    },
  );
}
