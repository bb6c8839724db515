// A model file with two ends: `NAME` is a tensor of the clean end, `restore.NAME` what the strong end, for JPEGs and noise, adds to it. The
// strong end was fine-tuned from the clean one, and the networks on the line between them are as good for what lies between (deep network
// interpolation: Wang et al., CVPR 2019).
import { expected } from '../core/errors.js';
import type { ModelFile, ModelTensor } from './safetensors.js';

const ADDED = 'restore.';

export interface Dial {
  /** 1: the file has the clean end only. */
  readonly ends: 1 | 2;
  /** The network at 0 (clean) to 1 (strong); of one end, that one. */
  at(position: number): ModelFile;
}

/** @throws {CarafeError} ModelInvalid if the strong end is not whole, of other shapes or not finite. */
export function readDial({ tensors, metadata }: ModelFile): Dial {
  const names = [...tensors.keys()];
  const clean = names.filter((name) => !name.startsWith(ADDED));
  const strong = names.filter((name) => name.startsWith(ADDED));
  const atClean = { tensors: new Map(clean.map((name) => [name, tensors.get(name)!])), metadata };
  if (strong.length === 0) return { ends: 1, at: () => atClean };
  for (const name of clean) check(ADDED + name, tensors.get(name)!, tensors.get(ADDED + name));
  const stray = strong.find((name) => !tensors.has(name.slice(ADDED.length)));
  if (stray) throw expected('ModelInvalid', stray, `a tensor "${stray.slice(ADDED.length)}" that it adds to`, 'none');
  const at = (position: number): ModelFile => ({
    metadata,
    tensors: new Map(
      clean.map((name) => {
        const { shape, data } = tensors.get(name)!;
        const added = tensors.get(ADDED + name)!.data;
        return [name, { shape, data: data.map((value, i) => value + position * added[i]) }];
      }),
    ),
  });
  return { ends: 2, at: (position) => (position === 0 ? atClean : at(position)) };
}

/** Where both ends are finite, so is all between. */
function check(name: string, { shape, data }: ModelTensor, added: ModelTensor | undefined): void {
  if (!added) throw expected('ModelInvalid', name, `a tensor of shape [${shape}], as every other has one`, 'none');
  if (added.shape.join() !== shape.join()) throw expected('ModelInvalid', name, `shape [${shape}]`, added.shape);
  if (!added.data.every((value, i) => Number.isFinite(Math.fround(data[i] + value)) || !Number.isFinite(data[i])))
    throw expected('ModelInvalid', name, 'finite values', 'some that are not');
}
