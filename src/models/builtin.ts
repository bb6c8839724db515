// The models that ship in the package, by scale and size. Each is a chunk of its own, loaded when it is asked for.
export type ModelSize = 'small' | 'base';

export const BUILTIN_MODELS: Readonly<Record<number, Readonly<Record<ModelSize, () => Promise<Uint8Array<ArrayBuffer>>>>>> = {
  2: {
    small: async () => (await import('../../models/small-x2.safetensors')).default,
    base: async () => (await import('../../models/base-x2.safetensors')).default,
  },
};
