// The models that ship in the package, by scale and name. Each is a chunk of its own, loaded when it is asked for.
/** Enlargement without a network: whole pixels, Keys' cubic (a = -0.5), Lanczos of three lobes. */
export type InterpolationName = 'nearest' | 'bicubic' | 'lanczos';
export type ModelName = 'tiny' | 'small' | 'base' | 'large' | InterpolationName;

type Weights = Uint8Array<ArrayBuffer>;
const read = async (file: Promise<{ default: Weights }>): Promise<Weights> => (await file).default;

/** Their files are made where they are asked for: a header without tensors. */
const interpolations = (scale: number): Record<InterpolationName, () => Promise<Weights>> => {
  const file = (kernel: InterpolationName) => async () => (await import('./interpolation.js')).file(kernel, scale);
  return { nearest: file('nearest'), bicubic: file('bicubic'), lanczos: file('lanczos') };
};

export const BUILTIN_MODELS: Readonly<Record<number, Readonly<Partial<Record<ModelName, () => Promise<Weights>>>>>> = {
  2: {
    tiny: () => read(import('../../models/tiny-x2.safetensors')),
    small: () => read(import('../../models/small-x2.safetensors')),
    base: () => read(import('../../models/base-x2.safetensors')),
    large: () => read(import('../../models/large-x2.safetensors')),
    ...interpolations(2),
  },
  3: {
    tiny: () => read(import('../../models/tiny-x3.safetensors')),
    small: () => read(import('../../models/small-x3.safetensors')),
    base: () => read(import('../../models/base-x3.safetensors')),
    large: () => read(import('../../models/large-x3.safetensors')),
    ...interpolations(3),
  },
  4: {
    tiny: () => read(import('../../models/tiny-x4.safetensors')),
    small: () => read(import('../../models/small-x4.safetensors')),
    base: () => read(import('../../models/base-x4.safetensors')),
    large: () => read(import('../../models/large-x4.safetensors')),
    ...interpolations(4),
  },
};
