// Golden vectors of whole networks (training/golden_networks.py): their weights and inputs are drawn from their names,
// here as there. Like golden.ts it knows no test runner and no platform.
import type { Backend, DeviceTensor, Ops } from '../../src/backends/backend.js';
import { elements, type Shape, type Tensor } from '../../src/core/tensor.js';
import { loadNetwork, type NetworkName, type NetworkSettings } from '../../src/engine/network.js';
import { StateDict, type Tensors } from '../../src/engine/networks/state-dict.js';
import { type ModelTensor, parseSafetensors } from '../../src/models/safetensors.js';
import { ARITHMETIC, type Bounded, bound, boundConv } from './bounds.js';
import { goldenCases } from './golden.js';
import { assertWithin, poison, type Runner } from './suite.js';

export interface NetworkCase {
  readonly network: NetworkName;
  readonly settings: NetworkSettings[NetworkName];
  /** The shape of each tensor of the state-dict. */
  readonly tensors: Readonly<Record<string, readonly number[]>>;
  /** NCHW, as the outputs. */
  readonly inputs: readonly Shape[];
  readonly masks: readonly Shape[];
  readonly outputs: readonly Shape[];
  /** Of an output every so many values are kept. */
  readonly step: number;
}

/** Of the largest value: worst-case bounds double with each layer. */
const MOST = 1e-4;

/** Registers a test for each case, or for the small ones. `open` is called once. */
export function goldenArchitectures(
  bytes: Uint8Array,
  open: () => Promise<Backend>,
  { test }: Runner,
  realistic = true,
): void {
  const { tensors } = parseSafetensors(bytes);
  let opened: Promise<Backend> | undefined;
  for (const { name, params } of goldenCases<NetworkCase>(bytes)) {
    if (params.step > 1 && !realistic) continue;
    test(name, async () => {
      const backend = await (opened ??= open());
      const weights = drawnTensors(params);
      const inputs = drawnInputs(params);
      const load = (place: Pick<Backend, 'conv'>) =>
        loadNetwork(params.network, new StateDict(place, weights, 1e-5, 'softmax'), params.settings);
      const program =
        (net: ReturnType<typeof load>) =>
        (ops: Ops): DeviceTensor[] =>
          net
            .run(
              ops,
              inputs.map(({ data, shape }) => ops.nchwToNhwc(ops.input(data, shape))),
            )
            .map((y) => ops.nhwcToNchw(y));
      const net = load(backend);
      await poison(backend);
      const got = await backend.runAll(program(net));
      // Of realistic sizes the bounds of every value would take minutes: a part of the largest value has to do.
      const bounded = params.step === 1 ? boundAll(program(load({ conv: boundConv })), backend) : undefined;
      params.outputs.forEach((shape, i) => {
        const wanted = tensors.get(`${name}/y${i}`)!;
        if (got[i].length !== elements(shape))
          throw new Error(`Expected ${elements(shape)} values, got ${got[i].length}`);
        compare(got[i], wanted, bounded?.[i], params.step);
      });
    });
  }
}

function compare(got: Float32Array, wanted: ModelTensor, bounded: Bounded | undefined, step: number): void {
  const largest = wanted.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const shape: Shape = [1, 1, 1, wanted.data.length];
  assertWithin(
    wanted.data.map((_, i) => got[i * step]),
    {
      shape,
      value: { data: wanted.data, shape },
      error: {
        data: wanted.data.map((v, i) =>
          Math.min((bounded?.error.data[i * step] ?? Infinity) + 2 ** -24 * Math.abs(v), MOST * largest),
        ),
        shape,
      },
    },
  );
}

function boundAll(program: (ops: Ops) => DeviceTensor[], { name }: Backend): Bounded[] {
  let all: DeviceTensor[] = [];
  bound((ops) => (all = program(ops))[0], ARITHMETIC[name]);
  return all as Bounded[];
}

export function drawnTensors({ tensors }: Pick<NetworkCase, 'tensors'>): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, shape]) => [name, { data: drawn(name, shape), shape }]),
  );
}

export function drawnInputs({ inputs, masks }: Pick<NetworkCase, 'inputs' | 'masks'>): Tensor[] {
  return [
    ...inputs.map((shape, i) => ({ data: drawn(`input${i}`, shape), shape })),
    ...masks.map((shape, i) => ({ data: drawn(`mask${i}`, shape), shape })),
  ];
}

/** As `drawn` of training/golden_networks.py, to the bit. */
export function drawn(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const seed = crc32(name);
  const scale = shape.length === 4 ? Math.sqrt(3 / (shape[1] * shape[2] * shape[3])) : 0;
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => {
    const u = uniform((seed + Math.imul(i, 0x9e3779b1)) >>> 0);
    if (name.endsWith('running_var')) return 0.6 + 0.5 * u;
    if (scale > 0 && name.endsWith('weight')) return u * scale;
    if (name.endsWith('bn.weight')) return 1 + 0.3 * u;
    if (name.startsWith('mask')) return u > -0.2 ? 1 : 0;
    return name.startsWith('input') ? u : 0.3 * u;
  });
}

/** murmur3's finaliser, as 24 bits of -1..1. */
function uniform(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  x ^= x >>> 16;
  return (x >>> 8) / 2 ** 23 - 1;
}

function crc32(text: string): number {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
