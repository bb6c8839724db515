// layout on assembly/layout.ts: rows out of planes, and planes out of rows.
import type { Shape } from '../../core/tensor.js';
import { Planes, produce, type Program, same, type WasmTensor } from './program.js';
import type { Rows } from './rows.js';

export function nchwToNhwc(program: Program, x: WasmTensor): Rows {
  const [n, c, h, w] = x.shape;
  const planes = program.upload(program.read(x));
  return produce([n, h, w, c], { inputs: [] }, (y, { y: row, left, right }) => {
    for (let i = 0; i < n; i++)
      program.wasm.nchwToNhwc(
        planes + (i * c * h + row) * w * 4 + left * 4,
        y.at(i, row, left),
        right - left,
        c,
        h * w * 4,
      );
  });
}

export function nhwcToNchw(program: Program, x: WasmTensor): Planes {
  const rows = program.rows(x);
  const [n, h, w, c] = rows.shape;
  const shape: Shape = [n, c, h, w];
  return new Planes(shape, { inputs: [same(rows)] }, ({ image, y, left, right, address, plane }) => {
    program.wasm.nhwcToNchw(rows.at(image, y, left), address, right - left, c, plane);
  });
}
