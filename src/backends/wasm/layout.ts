// layout on assembly/layout.ts: rows out of planes, and planes out of rows.
import type { Program, Values } from './program.js';
import { type Call, produce, type Rows, same } from './rows.js';
import { Planes } from './sinks.js';

export function nchwToNhwc(program: Program, x: Values): Rows {
  const [n, c, h, w] = x.shape;
  const { machine, wasm } = program;
  const slot = program.values(x);
  const load = {
    bytes: n * c * h * w * 4,
    write: (address: number, { floats }: Call) => machine.arena.f32(address, n * c * h * w).set(floats[slot]),
  };
  return produce([n, h, w, c], { inputs: [], load }, ({ y: row, left, right }, { y, loaded }) => {
    for (let i = 0; i < n; i++) {
      const from = loaded + ((i * c * h + row) * w + left) * 4;
      wasm.nchwToNhwc(from, y.at(i, row, left), right - left, c, h * w * 4);
    }
  });
}

export function nhwcToNchw(program: Program, x: Values): Planes {
  const rows = program.rows(x);
  const [n, h, w, c] = rows.shape;
  return new Planes([n, c, h, w], { inputs: [same(rows)] }, ({ image, y, left, right, address, plane }, { inputs }) => {
    program.wasm.nhwcToNchw(inputs[0].at(image, y, left), address, right - left, c, plane);
  });
}
