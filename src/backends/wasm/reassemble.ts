// reassemble on assembly/reassemble.ts, a row of source pixels at a time.
import { borderIndex, type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import type { Shape } from '../../core/tensor.js';
import type { DeviceTensor } from '../backend.js';
import { Planes, produce, type Program } from './program.js';
import type { Input, Range, Rows } from './rows.js';

export function reassemble(program: Program, features: DeviceTensor, kernels: DeviceTensor, window: Window, padding: Padding, layout: Layout = 'NHWC'): DeviceTensor {
  const { wasm } = program;
  const { scale: s, kUp, groups } = window;
  const [rows, unpadded] = [program.rows(kernels), program.rows(features)];
  const shape = reassembleShape(unpadded.shape, rows.shape, window, layout);
  const [n, h, , c] = unpadded.shape;
  const r = (kUp - 1) / 2;
  const sides = padding === 'zero' ? 0 : r; // columns that x already has on both sides
  const x = sides === 0 ? unpadded : padColumns(program, unpadded, sides, padding);
  const tableBytes = kUp * kUp * 4;
  const inputs: Input[] = [
    { rows: x, reads: (y) => [y / s - r, y / s + r + 1], columns: ([left, right]) => [left / s - r + sides, Math.ceil(right / s) + r + sides] },
    { rows, reads: (y) => [y / s, y / s + 1], columns: ([left, right]) => [left / s, Math.ceil(right / s)] },
  ];
  /** Source pixels left..right-1 of source row y. */
  const write = (image: number, y: number, left: number, right: number, out: number, outRow: number, plane: number, table: number): void => {
    const windowRows = program.addresses(kUp, (ky) => x.at(image, borderIndex(y - r + ky, h, padding), left - r + sides));
    wasm.reassemble(windowRows, rows.at(image, y, left), out, outRow, plane, table, right - left, c, s, kUp, groups);
  };
  if (layout === 'NCHW') {
    return new Planes(shape, { inputs, block: s, grid: s, scratchBytes: tableBytes }, ({ image, y, left, right, address, row, plane, scratch }) => {
      write(image, y / s, left / s, right / s, address, row, plane, scratch);
    });
  }
  return produce(shape, { inputs, block: s, grid: s, scratchBytes: tableBytes }, (y, { y: row, left, right, scratch }) => {
    for (let i = 0; i < n; i++) write(i, row / s, left / s, Math.ceil(right / s), y.at(i, row, left), y.rowBytes, 0, scratch);
  });
}

/** x [n, h, w, c] -> [n, h, w + 2*sides, c], with the border's values where there are no zeros to be. */
function padColumns({ arena }: Program, x: Rows, sides: number, padding: Padding): Rows {
  const [n, h, w, c] = x.shape;
  const shape: Shape = [n, h, w + 2 * sides, c];
  const whole = (): Range => [0, w];
  return produce(shape, { inputs: [{ rows: x, reads: (y) => [y, y + 1], columns: whole }] }, (y, { y: row }) => {
    const bytes = arena.u8(0, arena.memory.buffer.byteLength);
    for (let i = 0; i < n; i++) {
      const from = x.at(i, row, 0);
      const to = y.at(i, row, sides);
      bytes.copyWithin(to, from, from + w * c * 4);
      for (let column = -sides; column < w + sides; column = column === -1 ? w : column + 1) {
        const source = from + borderIndex(column, w, padding) * c * 4;
        bytes.copyWithin(to + column * c * 4, source, source + c * 4);
      }
    }
  });
}
