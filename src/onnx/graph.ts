// An ONNX graph as a list of nodes that calls append to; each returns the name of what its node gives:
// g.node('Conv', [x, w], { pads: [1, 1, 1, 1] }). Field numbers are those of github.com/onnx/onnx, onnx.proto.
import type { Bytes } from '../core/platform.js';
import { bytes, type Field, float, integer, message, text } from './protobuf.js';

export const OPSET = 13;
const IR_VERSION = 8;
const [FLOAT, INT64] = [1, 7]; // TensorProto.DataType

/** A float is written { float: 0.5 }, to tell it from an integer. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

export class OnnxGraph {
  readonly nodes: Field[] = []; // GraphProto.node
  readonly initializers: Field[] = []; // GraphProto.initializer
  readonly #prefix: string;
  #count = 0;

  /** Every name begins with `prefix`, so that a graph can be put into another. */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  constant(data: Float32Array, shape: readonly number[]): string {
    return this.#initializer(shape, FLOAT, data);
  }

  ints(...values: (number | bigint)[]): string {
    return this.#initializer([values.length], INT64, BigInt64Array.from(values, BigInt));
  }

  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = this.#name('v'),
  ): string {
    this.nodes.push(
      message(1, [
        ...inputs.map((name) => text(1, name)),
        text(2, output),
        text(3, output),
        text(4, type),
        ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
      ]),
    );
    return output;
  }

  /** The .onnx file: f32 tensors in and out whose sizes are numbers or, where any will do, names. */
  finish(
    inputs: Readonly<Record<string, readonly (number | string)[]>>,
    outputs: Readonly<Record<string, readonly (number | string)[]>>,
  ): Bytes {
    const graph = [
      ...this.nodes,
      text(2, 'carafe'),
      ...this.initializers,
      ...Object.entries(inputs).map(([name, shape]) => message(11, valueInfo(name, shape))),
      ...Object.entries(outputs).map(([name, shape]) => message(12, valueInfo(name, shape))),
    ];
    const model = [integer(1, IR_VERSION), text(2, 'carafe-web'), message(7, graph), opset(OPSET)];
    return new Uint8Array(message(0, model).value as Uint8Array);
  }

  #initializer(shape: readonly number[], type: number, data: Float32Array | BigInt64Array): string {
    const name = this.#name('w');
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // little endian, as every engine with wasm
    this.initializers.push(
      message(5, [...shape.map((size) => integer(1, size)), integer(2, type), text(8, name), bytes(9, raw)]),
    );
    return name;
  }

  #name(kind: string): string {
    return `${this.#prefix}${kind}${this.#count++}`;
  }
}

export const opset = (version: number): Field => message(8, [text(1, ''), integer(2, version)]);

/** f32; without a shape, of any. */
export function valueInfo(name: string, shape?: readonly (number | string)[]): Field[] {
  if (!shape) return [text(1, name), message(2, [message(1, [integer(1, FLOAT)])])];
  const dimensions = shape.map((size) => message(1, [typeof size === 'number' ? integer(1, size) : text(2, size)]));
  return [text(1, name), message(2, [message(1, [integer(1, FLOAT), message(2, dimensions)])])];
}

function attribute(name: string, value: Attribute): Field[] {
  const [FLOAT_KIND, INT_KIND, STRING_KIND, INTS_KIND] = [1, 2, 3, 7]; // AttributeProto.AttributeType
  if (typeof value === 'string') return [text(1, name), text(4, value), integer(20, STRING_KIND)];
  if (typeof value === 'number') return [text(1, name), integer(3, value), integer(20, INT_KIND)];
  if ('float' in value) return [text(1, name), float(2, value.float), integer(20, FLOAT_KIND)];
  return [text(1, name), ...value.map((v) => integer(8, v)), integer(20, INTS_KIND)];
}
