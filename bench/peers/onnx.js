// Writes an ONNX model: the few protobuf messages of github.com/onnx/onnx, onnx.proto, that a graph of f32 ops needs. Field numbers
// are the file's. A graph is built by calls that return the name of what a node gives: g.node('Conv', [x, w], { pads: [1, 1, 1, 1] }).

const OPSET = 17;
const [FLOAT, INT64] = [1, 7]; // TensorProto.DataType

export class OnnxGraph {
  #nodes = [];
  #initializers = [];
  #inputs = [];
  #count = 0;

  input(name, shape) {
    this.#inputs.push(valueInfo(name, shape));
    return name;
  }

  /** @param {Float32Array} data */
  constant(data, shape) {
    return this.#initializer(shape, FLOAT, data);
  }

  ints(...values) {
    return this.#initializer([values.length], INT64, BigInt64Array.from(values, BigInt));
  }

  /** @param {Record<string, number | number[] | string | { float: number }>} attributes floats are written { float: 0.5 } */
  node(type, inputs, attributes = {}) {
    const output = `v${this.#count++}`;
    this.#nodes.push([
      ...inputs.map((name) => text(1, name)),
      text(2, output),
      text(4, type),
      ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
    ]);
    return output;
  }

  /** The .onnx file. @param {[name: string, shape: number[]][]} outputs */
  finish(...outputs) {
    const graph = [
      ...this.#nodes.map((node) => message(1, node)),
      text(2, 'graph'),
      ...this.#initializers.map((tensor) => message(5, tensor)),
      ...this.#inputs.map((value) => message(11, value)),
      ...outputs.map(([name, shape]) => message(12, valueInfo(name, shape))),
    ];
    return Buffer.concat([integer(1, 8), message(7, graph), message(8, [text(1, ''), integer(2, OPSET)])]);
  }

  #initializer(shape, type, data) {
    const name = `w${this.#initializers.length}`;
    this.#initializers.push([
      ...shape.map((size) => integer(1, size)),
      integer(2, type),
      text(8, name),
      bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    ]);
    return name;
  }
}

function valueInfo(name, shape) {
  const dimensions = shape.map((size) => message(1, [integer(1, size)]));
  return [text(1, name), message(2, [message(1, [integer(1, FLOAT), message(2, dimensions)])])];
}

function attribute(name, value) {
  if (typeof value === 'string') return [text(1, name), text(4, value), integer(20, 3)];
  if (typeof value === 'number') return [text(1, name), integer(3, value), integer(20, 2)];
  if (Array.isArray(value)) return [text(1, name), ...value.map((v) => integer(8, v)), integer(20, 7)];
  const float = Buffer.alloc(4);
  float.writeFloatLE(value.float);
  return [text(1, name), Buffer.concat([varint((2 << 3) | 5), float]), integer(20, 1)];
}

function varint(value) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Buffer.from([...out, Number(rest)]);
}

const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, data) => Buffer.concat([varint((field << 3) | 2), varint(data.length), data]);
const text = (field, value) => bytes(field, Buffer.from(value));
const message = (field, parts) => bytes(field, Buffer.concat(parts));
