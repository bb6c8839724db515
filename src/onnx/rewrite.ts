// Takes CARAFE out of an exported model: mmcv's custom operator, and what PyTorch's exporter makes of the
// implementations with nearest, unfold and einsum, become the graph of carafe.ts under the same names. Every other byte
// of the model stays as it is.
import type { Bytes } from '../core/platform.js';
import { type CarafeError, expected } from '../core/errors.js';
import type { Window } from '../core/shapes.js';
import { bytesOf } from '../core/tag.js';
import { carafeOperator } from './carafe.js';
import { OnnxGraph, OPSET, valueInfo } from './graph.js';
import { decode, encode, type Field, message, messages, texts, values } from './protobuf.js';

/** A CARAFE in a graph: its result's name is kept. */
export interface FoundCarafe extends Window {
  readonly kind: 'mmcv' | 'einsum';
  readonly features: string;
  /** (n, groups*kUp^2, h*scale, w*scale) */
  readonly kernels: string;
  readonly output: string;
}

interface Node {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Field[]>;
}

/**
 * The model with every CARAFE replaced, and what was found.
 * @throws {CarafeError} InvalidOption; ModelInvalid if there is none, or another operator
 */
export function rewriteCarafe(bytes: Uint8Array | ArrayBuffer): { model: Bytes; found: FoundCarafe[] } {
  const model = readModel(bytes);
  const [graph] = messages(model, 7);
  if (!graph) throw invalid('file', 'an ONNX model with a graph', 'none');
  const version = messages(model, 8)
    .filter((set) => (texts(set, 1)[0] ?? '') === '')
    .map((set) => Number(values(set, 2)[0]))[0];
  if (!(version >= OPSET))
    throw invalid('opset_import', `opset ${OPSET} or later (export with opset_version=${OPSET})`, version);

  const nodes = messages(graph, 1).map(readNode);
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const constants = readConstants(graph, nodes);
  const found = nodes.map((node) => match(node, producers, constants));
  if (!found.some(Boolean))
    throw invalid(
      'graph',
      'MMCVCARAFE, or nearest, unfold and einsum as PyTorch exports them',
      `${nodes.length} nodes without`,
    );

  const replaced: Field[] = [];
  const added: Field[] = [];
  graph
    .filter((field) => field.number === 1)
    .forEach((field, i) => {
      const carafe = found[i];
      if (!carafe) return replaced.push(field);
      const g = new OnnxGraph(`carafe_web_${i}_`);
      carafeOperator(g, carafe.features, carafe.kernels, carafe, carafe.output);
      replaced.push(...g.nodes);
      added.push(...g.initializers);
    });
  const rest = graph.filter((field) => field.number !== 1);
  const newGraph = [...withoutUnused(replaced, namesOf(graph, 12)), ...added, ...rest];
  return {
    model: encode(
      model
        .filter((field) => !(field.number === 8 && texts(decode(field.value as Uint8Array), 1)[0] === 'mmcv'))
        .map((field) => (field.number === 7 ? message(7, newGraph) : field)),
    ),
    found: found.filter((one) => one !== undefined),
  };
}

/** The model with more of its values among its outputs, f32 of any size: to be looked at. @throws {CarafeError} ModelInvalid */
export function withOutputs(bytes: Uint8Array | ArrayBuffer, names: readonly string[]): Bytes {
  const model = readModel(bytes);
  const [graph] = messages(model, 7);
  if (!graph) throw invalid('file', 'an ONNX model with a graph', 'none');
  const there = new Set(namesOf(graph, 12));
  const added = names.filter((name) => !there.has(name)).map((name) => message(12, valueInfo(name)));
  return encode(model.map((field) => (field.number === 7 ? message(7, [...graph, ...added]) : field)));
}

function match(node: Node, producers: Producers, constants: Constants): FoundCarafe | undefined {
  if (node.type === 'MMCVCARAFE' || node.type === 'MMCVCARAFENaive') {
    const number = (name: string): number => {
      const attribute = node.attributes.get(name);
      const [float] = attribute ? values(attribute, 2) : [];
      const [integer] = attribute ? values(attribute, 3) : [];
      const value = float
        ? new DataView(new Uint8Array(float as Uint8Array).buffer).getFloat32(0, true)
        : Number(integer);
      if (!Number.isInteger(value) || value < 1) throw invalid(`${node.type}.${name}`, 'a positive integer', value);
      return value;
    };
    const [features, kernels] = node.inputs;
    const window = { scale: number('scale_factor'), kUp: number('kernel_size'), groups: number('group_size') };
    return { kind: 'mmcv', features, kernels, output: node.outputs[0], ...window };
  }
  return node.type === 'Einsum' ? matchEinsum(node, producers, constants) : undefined;
}

type Producers = ReadonlyMap<string, Node>;
type Constants = ReadonlyMap<string, readonly number[]>;

/** einsum(kernels [b, k, h, w], windows [b, c, k, h, w]), the windows unfolded from the nearest enlargement. */
function matchEinsum(node: Node, producers: Producers, constants: Constants): FoundCarafe | undefined {
  const equation = new TextDecoder().decode(values(node.attributes.get('equation') ?? [], 4)[0] as Uint8Array);
  const terms = equation.replace(/\s/g, '').split(/,|->/);
  const at = terms.findIndex((term) => term.length === 5);
  if (terms.length !== 3 || at < 0 || at > 1) return undefined;
  const [[b, c, k, h, w], kernels, result] = [terms[at], terms[1 - at], terms[2]];
  if (kernels !== [b, k, h, w].join('') || result !== [b, c, h, w].join('')) return undefined;
  /** Up through the nodes of these types to the next of another. */
  const up = (name: string, through: readonly string[]): Node | undefined => {
    let from = producers.get(name);
    while (from && through.includes(from.type)) from = producers.get(from.inputs[0]);
    return from;
  };
  const columns = up(node.inputs[at], ['Reshape', 'Transpose', 'Identity']);
  const rows = columns?.type === 'Gather' ? up(columns.inputs[0], ['Identity']) : undefined;
  const pad = rows?.type === 'Gather' ? up(rows.inputs[0], ['Identity']) : undefined;
  const enlarged = pad?.type === 'Pad' ? up(pad.inputs[0], ['Identity']) : pad;
  if (!columns || !rows || !enlarged || !['Resize', 'Upsample'].includes(enlarged.type)) return undefined;
  const mode = new TextDecoder().decode(values(enlarged.attributes.get('mode') ?? [], 4)[0] as Uint8Array);
  const scales = enlarged.inputs.map((name) => constants.get(name)).find((value) => value?.length === 4);
  const scale = scales?.[2] ?? 0;
  if (mode !== 'nearest' || !Number.isInteger(scale) || scales?.[3] !== scale || scales[0] !== 1 || scales[1] !== 1)
    throw invalid(node.outputs[0], 'windows of a nearest enlargement by an integer', `mode ${mode}, scales ${scales}`);
  const offsets = unfoldOffsets(rows, producers, constants);
  const kUp = offsets?.length ?? 0;
  const step = kUp > 1 ? (offsets as readonly number[])[1] : scale;
  if (kUp % 2 !== 1) throw invalid(node.outputs[0], 'an unfold of odd size', offsets);
  if (step !== scale)
    throw invalid(
      node.outputs[0],
      `an unfold with dilation ${scale}, the scale: without it the window lies on the enlarged grid, which is another operator than CARAFE`,
      `dilation ${step}`,
    );
  const padding = pad?.type === 'Pad' ? constants.get(pad.inputs[1]) : undefined;
  if (kUp > 1 && padding?.[2] !== ((kUp - 1) / 2) * scale)
    throw invalid(node.outputs[0], `padding of ${((kUp - 1) / 2) * scale}`, padding);
  return {
    kind: 'einsum',
    features: enlarged.inputs[0],
    kernels: node.inputs[1 - at],
    output: node.outputs[0],
    scale,
    kUp,
    groups: 1,
  };
}

/** The constant [kUp, 1] that the exporter adds to the windows' positions: 0, dilation, 2 dilation ... */
function unfoldOffsets(gather: Node, producers: Producers, constants: Constants): readonly number[] | undefined {
  const indices = gather.inputs[1];
  const add = producers.get(indices);
  if (add?.type === 'Add') return add.inputs.map((name) => constants.get(name)).find(Boolean);
  return undefined;
}

function readNode(fields: Field[]): Node {
  return {
    inputs: texts(fields, 1),
    outputs: texts(fields, 2),
    type: texts(fields, 4)[0] ?? '',
    attributes: new Map(messages(fields, 5).map((attribute) => [texts(attribute, 1)[0], attribute])),
  };
}

/** Small constants by name: int64 and f32 tensors of initializers and Constant nodes. */
function readConstants(graph: Field[], nodes: readonly Node[]): Constants {
  const constants = new Map<string, readonly number[]>();
  const numbers = (tensor: Field[]): readonly number[] | undefined => {
    const raw = values(tensor, 9)[0] as Uint8Array | undefined;
    if (!raw || raw.length > 4096) return undefined;
    const type = Number(values(tensor, 2)[0]);
    const { buffer } = new Uint8Array(raw);
    return type === 7
      ? Array.from(new BigInt64Array(buffer), Number)
      : type === 1
        ? [...new Float32Array(buffer)]
        : undefined;
  };
  for (const tensor of messages(graph, 5)) {
    const value = numbers(tensor);
    if (value) constants.set(texts(tensor, 8)[0], value);
  }
  for (const node of nodes) {
    const [tensor] = node.type === 'Constant' ? messages(node.attributes.get('value') ?? [], 5) : [];
    const value = tensor && numbers(tensor);
    if (value) constants.set(node.outputs[0], value);
  }
  return constants;
}

/** Of the graph's inputs (11) or outputs (12). */
const namesOf = (graph: Field[], number: number): string[] =>
  messages(graph, number).map((value) => texts(value, 1)[0]);

/** Without the nodes whose results nobody reads any more: the unfold. */
function withoutUnused(nodes: readonly Field[], outputs: readonly string[]): Field[] {
  const needed = new Set(outputs);
  const kept: Field[] = [];
  for (const field of [...nodes].reverse()) {
    const { inputs, outputs: results, attributes } = readNode(decode(field.value as Uint8Array));
    if (!results.some((name) => needed.has(name))) continue;
    for (const name of inputs) needed.add(name);
    for (const name of readInside(attributes)) needed.add(name);
    kept.push(field);
  }
  return kept.reverse();
}

/** What the graphs inside of an If or a Loop read. */
function readInside(attributes: Node['attributes']): string[] {
  const graphs = [...attributes.values()].flatMap((attribute) => [
    ...messages(attribute, 6),
    ...messages(attribute, 11),
  ]);
  return graphs.flatMap((graph) => [
    ...namesOf(graph, 12),
    ...messages(graph, 1)
      .map(readNode)
      .flatMap((node) => [...node.inputs, ...readInside(node.attributes)]),
  ]);
}

/** @throws {CarafeError} InvalidOption, ModelInvalid */
function readModel(file: Uint8Array | ArrayBuffer): Field[] {
  const bytes = bytesOf(file);
  if (!bytes) throw expected('InvalidOption', 'bytes', 'those of an ONNX model', file);
  return decode(bytes);
}

function invalid(name: string, expectation: string, got: unknown): CarafeError {
  return expected('ModelInvalid', name, expectation, got);
}
