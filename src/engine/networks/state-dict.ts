// The tensors of a trained network by the names that the reference frameworks give them, and what is made of them:
// convolutions packed for a backend, with batch norm folded in, and CARAFE layers of every known family.
import type { Backend, ConvWeights, DeviceConv } from '../../backends/backend.js';
import { CarafeError, expected } from '../../core/errors.js';
import type { Activation, Normalizer } from '../../core/shapes.js';
import { type CarafeLayer, findCarafeLayers, foldConv, type Stage } from '../../models/carafe-layers.js';
import { type Dtype, type StoredTensor, toFloat32 } from '../../models/stored-tensor.js';
import { type ConvSpec, carafeStages } from '../carafe.js';
import type { CarafeStages } from './carafe-pack.js';

/** Tensors by name, as they cross threads; one that is not of floats says so in `dtype`, and its values stay behind. */
export type Tensors = Readonly<
  Record<
    string,
    { readonly data: Float32Array<ArrayBuffer>; readonly shape: readonly number[]; readonly dtype?: Dtype }
  >
>;

export class StateDict {
  readonly #backend: Pick<Backend, 'conv'>;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #eps: number;
  readonly #normalizer: Normalizer;
  #carafe: ReturnType<typeof findCarafeLayers> | undefined;

  /** @param eps of batch norm */
  constructor(backend: Pick<Backend, 'conv'>, tensors: Tensors, eps: number, normalizer: Normalizer) {
    this.#backend = backend;
    this.#eps = eps;
    this.#normalizer = normalizer;
    this.#tensors = new Map(
      Object.entries(tensors).map(([name, { dtype = 'F32', data, shape }]) => [
        name,
        { dtype, shape, read: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength) },
      ]),
    );
  }

  /** How many layers there are of these names, from number `first` on. @throws {CarafeError} ModelInvalid for none */
  count(name: (i: number) => string, first = 0): number {
    let count = 0;
    const next = (): string => `${name(first + count)}.`;
    while ([...this.#tensors.keys()].some((key) => key.startsWith(next()))) count++;
    if (count === 0) {
      const elsewhere = [...this.#tensors.keys()].find((key) => key.includes(`.${next()}`));
      const got = elsewhere ? `only ${elsewhere}, which has another prefix` : 'none of that name';
      throw expected('ModelInvalid', name(first), 'tensors', got);
    }
    return count;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** The sizes of a tensor of four dimensions. @throws {CarafeError} ModelInvalid */
  shape(name: string): readonly [number, number, number, number] {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw expected('ModelInvalid', name, 'a tensor', 'none of that name');
    if (tensor.shape.length !== 4) throw expected('ModelInvalid', name, 'four dimensions', tensor.shape);
    return tensor.shape as unknown as readonly [number, number, number, number];
  }

  /** @throws {CarafeError} ModelInvalid */
  values(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw expected('ModelInvalid', name, `a tensor of shape [${shape}]`, 'none of that name');
    if (tensor.shape.join() !== shape.join()) throw expected('ModelInvalid', name, `shape [${shape}]`, tensor.shape);
    const data = toFloat32(name, tensor);
    if (!data.every(Number.isFinite)) throw expected('ModelInvalid', name, 'finite values', 'some that are not');
    return data;
  }

  /** `name.weight` and `name.bias`; or mmcv's ConvModule: `name.conv.*`, and `name.bn.*` folded into it. */
  weights(
    name: string,
    sizes: { readonly cIn?: number; readonly cOut?: number; readonly k?: number } = {},
  ): ConvWeights {
    const module = [...this.#tensors.keys()].some(
      (key) => /^(conv|bn|gn)\./.test(key.slice(name.length + 1)) && key.startsWith(`${name}.`),
    );
    const conv = module ? `${name}.conv` : name;
    const [cOut, cIn, k, kx] = this.shape(`${conv}.weight`);
    const wanted = [sizes.cOut ?? cOut, sizes.cIn ?? cIn, sizes.k ?? k, sizes.k ?? k];
    if ([cOut, cIn, k, kx].join() !== wanted.join())
      throw expected('ModelInvalid', `${conv}.weight`, `shape [${wanted}]`, [cOut, cIn, k, kx]);
    if (k % 2 === 0) throw expected('ModelInvalid', `${conv}.weight`, 'a window of odd size', [cOut, cIn, k, kx]);
    if (module && this.has(`${name}.gn.weight`))
      throw expected('ModelInvalid', `${name}.gn`, 'batch norm, or none', 'group norm, which cannot be folded');
    const norm = module && this.has(`${name}.bn.weight`) ? `${name}.bn` : undefined;
    const { weights, bias } = foldConv(this.#tensors, { conv, norm }, this.#eps);
    return { weights: weights.data, bias: bias.data, cOut, cIn, k };
  }

  /** What batch norm multiplies each of a ConvModule's outputs by, which is in its `weights`; 1 without. */
  factors(name: string, cOut: number): Float32Array {
    if (!this.has(`${name}.bn.weight`)) return new Float32Array(cOut).fill(1);
    const [gamma, variance] = ['weight', 'running_var'].map((key) => this.values(`${name}.bn.${key}`, [cOut]));
    return gamma.map((g, i) => g / Math.sqrt(variance[i] + this.#eps));
  }

  conv(name: string, sizes?: Parameters<StateDict['weights']>[1]): DeviceConv {
    return this.#backend.conv(this.weights(name, sizes));
  }

  place(weights: ConvWeights): DeviceConv {
    return this.#backend.conv(weights);
  }

  /** The CARAFE layer whose tensors' names begin with `name.`. @throws {CarafeError} ModelInvalid */
  carafe(name: string, channels?: number): CarafeStages {
    this.#carafe ??= findCarafeLayers(this.#tensors, { scale: 2 });
    const { layers, refused } = this.#carafe;
    const layer = layers.find(({ prefix }) => prefix === `${name}.`);
    if (!layer) {
      const no = refused.find(({ prefix }) => prefix === `${name}.`);
      if (no) throw new CarafeError('ModelInvalid', `Expected a CARAFE layer for "${name}", got ${no.reason}`, no);
      throw expected('ModelInvalid', `${name}.content_encoder.weight`, 'a CARAFE layer', 'none of that name');
    }
    if (channels !== undefined && layer.channels !== channels)
      throw expected('ModelInvalid', name, `a CARAFE layer of ${channels} channels`, layer.channels);
    return carafeStages(this.#backend, { ...this.#spec(layer), dilation: 1, padding: 'zero', slope: 0.01 });
  }

  #spec(layer: CarafeLayer) {
    const folded = (stage: Stage): ConvSpec => {
      const { weights, bias } = foldConv(this.#tensors, stage, layer.eps);
      return { weights, bias: bias.data, ...(stage.ghost && { ghost: folded({ ...stage.ghost, shape: [] }) }) };
    };
    const { compress, encode, out } = layer.stages;
    const { scale, kUp, groups, activation } = layer;
    return {
      scale,
      kUp,
      groups,
      activation: activation as Activation,
      normalizer: this.#normalizer,
      layout: 'NHWC' as const,
      precision: 'fast' as const,
      compress: compress && folded(compress),
      encode: folded(encode),
      out: out && folded(out),
    };
  }
}
