// Shaders as src/ sees them: their text put together, their parameters by name, their constants. What the files say is read by
// scripts/assets.js, so that no order, number or size of a shader is written down a second time here.

/** What is compiled: texts of files of shaders/, by name. */
export type ShaderTexts = Readonly<Record<string, string>>;

/** One file of shaders/. */
export interface ShaderFile {
  readonly name: string;
  readonly requires: readonly ShaderFile[];
  /** Where it is not among the ShaderTexts. */
  readonly text?: string;
  /** Their members in order, each with its type. */
  readonly structs: Readonly<Record<string, readonly (readonly [member: string, type: string])[]>>;
  /** `const NAME = 1u` and `override NAME: u32 = 1`. */
  readonly constants: Readonly<Record<string, number>>;
}

/** Values for the members of a struct: u32 and f32 as numbers, vec2u as two, a struct as its own members. */
export interface Params {
  readonly [member: string]: number | readonly number[] | Params;
}

/** Bindings that may be of either type, from 1 on. */
const TENSORS = 4;

/** Files that are one module. Bindings of every entry point: 0 its parameters, then what it reads, then what it writes. */
export class Shader {
  readonly name: string;
  readonly #files: readonly ShaderFile[];

  constructor(name: string, ...files: readonly ShaderFile[]) {
    this.name = name;
    const all = new Set<ShaderFile>();
    const add = (file: ShaderFile): void => {
      for (const needed of file.requires) add(needed);
      all.add(file);
    };
    files.forEach(add);
    this.#files = [...all];
  }

  /** The module's text. @param halves the bindings stored as f16; those of other tensors are f32 */
  code(texts: ShaderTexts, halves: readonly number[]): string {
    const files = this.#files.map(({ name, text }) => text ?? texts[name]);
    return [storedTypes(halves), ...files].join('\n');
  }

  /** The value of a constant; 'leaky-relu' is LEAKY_RELU. */
  constant(name: string): number {
    const found = this.#find('constants', name.toUpperCase().replaceAll('-', '_'));
    return found;
  }

  /** `struct Params` as 32-bit words. @throws {Error} if a member has no value, or a value no member. */
  bytes(params: Params): Uint32Array<ArrayBuffer> {
    const words: number[] = [];
    this.#append(words, 'Params', params);
    return Uint32Array.from(words);
  }

  #append(words: number[], struct: string, values: Params): void {
    const members = this.#find('structs', struct);
    for (const [member, type] of members) {
      const value = values[member];
      if (value === undefined) throw new Error(`Expected a value for "${member}" of struct ${struct} in ${this.name}`);
      if (typeof value === 'number') words.push(type === 'f32' ? bitsOf(value) : value);
      else if (isPair(value)) words.push(...aligned(value, words, `${struct}.${member}`));
      else this.#append(words, type, value);
    }
    if (Object.keys(values).length !== members.length)
      throw new Error(
        `Expected the members ${members.map(([member]) => member)} of struct ${struct} in ${this.name}, got ${Object.keys(values)}`,
      );
  }

  #find<Kind extends 'structs' | 'constants'>(kind: Kind, name: string): ShaderFile[Kind][string] {
    for (const file of this.#files) {
      if (Object.hasOwn(file[kind], name)) return file[kind][name] as ShaderFile[Kind][string];
    }
    throw new Error(`Expected "${name}" among the ${kind} of ${this.name}`);
  }
}

/** The types that the text before prelude.wgsl has to declare. */
function storedTypes(halves: readonly number[]): string {
  const lines = halves.length > 0 ? ['enable f16;'] : [];
  for (let binding = 1; binding <= TENSORS; binding++) {
    const half = halves.includes(binding);
    lines.push(
      `alias Stored${binding} = ${half ? 'f16' : 'f32'};`,
      `alias Stored${binding}Vec4 = ${half ? 'vec4h' : 'vec4f'};`,
      `const SECTOR${binding} = ${half ? 4 : 2}u;`,
    );
  }
  return lines.join('\n');
}

/** WGSL puts a vec2u on a multiple of 8 bytes; what Shader.bytes writes has no gaps. */
function aligned(pair: readonly number[], words: readonly number[], name: string): readonly number[] {
  if (words.length % 2 === 1) throw new Error(`Expected ${name} to come after an even number of words`);
  return pair;
}

function isPair(value: readonly number[] | Params): value is readonly number[] {
  return Array.isArray(value);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
function bitsOf(value: number): number {
  float[0] = value;
  return bits[0];
}
