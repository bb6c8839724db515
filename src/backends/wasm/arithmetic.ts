// arithmetic on assembly/arithmetic.ts.
import type { Arithmetic } from '../backend.js';
import { ADD, DIVIDE, MAXIMUM, MINIMUM, MULTIPLY } from './constants.js';
import type { Program, Values } from './program.js';
import { produce, type Rows, same } from './rows.js';

const OPERATIONS: Record<Arithmetic, number> = {
  add: ADD,
  multiply: MULTIPLY,
  divide: DIVIDE,
  minimum: MINIMUM,
  maximum: MAXIMUM,
};

/** With `value`, if there is no b. */
export function arithmetic(
  program: Program,
  a: Values,
  operation: Arithmetic,
  value: number,
  b: Values | undefined,
): Rows {
  const { wasm } = program;
  const inputs = [a, ...(b ? [b] : [])].map((x) => program.rows(x));
  const [n, , , c] = inputs[0].shape;
  const per = b ? c / inputs[1].shape[3] : 0; // values of a for each of b
  return produce(
    inputs[0].shape,
    { inputs: inputs.map(same) },
    ({ y: row, left, right }, { y, inputs: [x, other] }) => {
      for (let i = 0; i < n; i++) {
        const count = (right - left) * c;
        const second = other ? other.at(i, row, left) : 0;
        wasm.arithmetic(x.at(i, row, left), second, y.at(i, row, left), count, per, value, OPERATIONS[operation]);
      }
    },
  );
}
