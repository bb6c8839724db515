// Whole architectures on tensors: the networks of networks/ that people have trained elsewhere, by name.
import type { Backend } from '../backends/backend.js';
import type { BackendRequest } from '../backends/select.js';
import { expected } from '../core/errors.js';
import type { Layout, Normalizer } from '../core/shapes.js';
import type { Shape, Tensor } from '../core/tensor.js';
import { input, zeros } from './carafe.js';
import { type FpnSettings, loadFpn } from './networks/fpn.js';
import {
  type GlobalLocalSettings,
  loadGlobalLocal,
  loadPartialConv,
  type PartialConvSettings,
} from './networks/inpainting.js';
import { type InpaintingUNetSettings, loadInpaintingUNet } from './networks/inpainting-unet.js';
import type { LoadedNetwork } from './networks/loaded-network.js';
import { loadMaskHead, type MaskHeadSettings } from './networks/mask-head.js';
import { StateDict, type Tensors } from './networks/state-dict.js';
import { loadUperNet, type UperNetSettings } from './networks/upernet.js';
import { Session, type Spec } from './session.js';

export interface NetworkSettings {
  fpn: FpnSettings;
  'mask-head': MaskHeadSettings;
  upernet: UperNetSettings;
  'global-local': GlobalLocalSettings;
  'partial-conv': PartialConvSettings;
  'inpainting-unet': InpaintingUNetSettings;
}
export type NetworkName = keyof NetworkSettings;

const LOADERS: {
  readonly [Name in NetworkName]: (weights: StateDict, settings: NetworkSettings[Name]) => LoadedNetwork;
} = {
  fpn: loadFpn,
  'mask-head': loadMaskHead,
  upernet: loadUperNet,
  'global-local': loadGlobalLocal,
  'partial-conv': loadPartialConv,
  'inpainting-unet': loadInpaintingUNet,
};

/** @throws {CarafeError} ModelInvalid that names the tensor */
export function loadNetwork<Name extends NetworkName>(
  name: Name,
  weights: StateDict,
  settings: NetworkSettings[Name],
): LoadedNetwork {
  return LOADERS[name](weights, settings);
}

export interface NetworkOptions<Name extends NetworkName = NetworkName> {
  readonly name: Name;
  readonly tensors: Tensors;
  readonly settings: NetworkSettings[Name];
  readonly layout: Layout;
  /** Of batch norm. */
  readonly eps: number;
  /** Of the kernels of CARAFE layers. */
  readonly normalizer: Normalizer;
}

/** What a caller has to know to run it on parts of an image. */
export type NetworkFacts = Required<Pick<LoadedNetwork, 'multiple' | 'reach'>>;

const PROBED_VALUES = 2 ** 18; // of a probe's largest map, at most

export const network = {
  half: false,
  open(backend: Backend, { name, tensors, settings, layout, eps, normalizer }: NetworkOptions) {
    const net = loadNetwork(name, new StateDict(backend, tensors, eps, normalizer), settings);
    const { multiple = 1, reach = Infinity } = net;
    const programs = {
      /** Tensors in `layout` -> the network's outputs, likewise. */
      run: (inputs: readonly Tensor[]) => run(backend, net, inputs, layout),
    };
    const probe = (side: number): Promise<unknown> => {
      const widest = Math.max(...net.inputs.map((c) => c ?? 1));
      const most = Math.max(4, Math.min(side, Math.floor(Math.sqrt(PROBED_VALUES / widest))));
      const maps = net.inputs.filter((c, i) => c !== 1 || i === 0).length; // masks are as large as their maps
      const sizes = net.inputs.map((c, i): Shape => {
        const size = Math.ceil(most / 2 ** (i % maps) / multiple) * multiple;
        return layout === 'NCHW' ? [1, c ?? 1, size, size] : [1, size, size, c ?? 1];
      });
      return programs.run(sizes.map(zeros));
    };
    return { facts: { multiple, reach }, programs, probe };
  },
} satisfies Spec<NetworkOptions, NetworkFacts>;

/** As openSession of specs.ts: of this network, and in this worker, alone. */
export function openNetwork({ options, ...request }: BackendRequest & { readonly options: unknown }): Promise<Session> {
  return Session.open(network, request, options);
}

async function run(backend: Backend, net: LoadedNetwork, inputs: readonly Tensor[], layout: Layout): Promise<Tensor[]> {
  const shapes = inputs.map(({ shape: [n, a, b, c] }): Shape => (layout === 'NCHW' ? [n, b, c, a] : [n, a, b, c]));
  if (inputs.length !== net.inputs.length)
    throw expected('ShapeMismatch', 'inputs', `${net.inputs.length} tensors`, inputs.length);
  net.inputs.forEach((c, i) => {
    if (c !== undefined && shapes[i][3] !== c)
      throw expected('ShapeMismatch', `inputs[${i}]`, `${c} channels`, shapes[i][3]);
  });
  const { multiple = 1 } = net;
  shapes.forEach(([, h, w], i) => {
    if (h % multiple !== 0 || w % multiple !== 0)
      throw expected('ShapeMismatch', `inputs[${i}]`, `height and width that ${multiple} divides`, [h, w]);
  });
  net.check(shapes);
  let results: readonly Shape[] = [];
  const values = await backend.runAll((ops) => {
    const given = inputs.map((x, i) => (net.inputs[i] === undefined ? undefined : input(ops, `inputs[${i}]`, x)));
    const xs = given.map((x) => (x && layout === 'NCHW' ? ops.nchwToNhwc(x) : x)!);
    const ys = net.run(ops, xs);
    const outputs = layout === 'NCHW' ? ys.map((y) => ops.nhwcToNchw(y)) : ys;
    results = outputs.map(({ shape }) => shape);
    return outputs;
  });
  return values.map((data, i) => ({ data, shape: results[i] }));
}
