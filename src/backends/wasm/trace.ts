// What a program called, op by op, with everything that its computation depends on but the values. Calls that are alike
// share one program:
// the rows of an op's result are worked out (`lower`) for the first of them only.
import type { RawImage, Shape } from '../../core/tensor.js';
import type { DevicePixels, DeviceTensor } from '../backend.js';
import type { WasmConv } from './conv2d.js';
import { Image, type Pixels, type Program, Source, type Values } from './program.js';
import type { Call, Producer } from './rows.js';

/** What an op's result will be computed as. */
export class Traced<L> {
  readonly number: number;
  readonly #lower: (program: Program) => L;
  #lowered: L | undefined;

  constructor(number: number, lower: (program: Program) => L) {
    this.number = number;
    this.#lower = lower;
  }

  lowered(program: Program): L {
    return (this.#lowered ??= this.#lower(program));
  }
}

export class WasmTensor extends Traced<Values> implements DeviceTensor {
  readonly shape: Shape;

  constructor(shape: Shape, ...traced: ConstructorParameters<typeof Traced<Values>>) {
    super(...traced);
    this.shape = shape;
  }
}

export class WasmPixels extends Traced<Pixels> implements DevicePixels {
  readonly width: number;
  readonly height: number;

  constructor(width: number, height: number, ...traced: ConstructorParameters<typeof Traced<Pixels>>) {
    super(...traced);
    this.width = width;
    this.height = height;
  }
}

/** Arguments that are equal if they are the same. */
type Constant = WasmConv | number | string | boolean;

/** The arguments of an op, from those of the function that lowers it. */
type Recorded<A extends readonly unknown[]> = { readonly [I in keyof A]: RecordedOne<A[I]> };
type RecordedOne<T> = [T] extends [Constant]
  ? T
  : [T] extends [Values]
    ? WasmTensor
    : [T] extends [Values | undefined]
      ? WasmTensor | undefined
      : [T] extends [Pixels | Producer]
        ? Traced<T>
        : never;

/** Of a module: one that is made anew each time equals no other. */
type Lower<A extends readonly unknown[], L> = (program: Program, ...args: A) => L;

export class Trace implements Call {
  readonly floats: Float32Array[] = [];
  readonly bytes: Uint8ClampedArray[] = [];
  #calls: unknown[] = [];
  #count = 0;

  input(data: Float32Array, shape: Shape): WasmTensor {
    const slot = this.floats.push(data) - 1;
    return new WasmTensor(shape, this.#note('input', shape), () => new Source(shape, slot));
  }

  inputPixels({ data, width, height }: RawImage): WasmPixels {
    const slot = this.bytes.push(data) - 1;
    return new WasmPixels(width, height, this.#note('inputPixels', [width, height]), () => new Image(slot));
  }

  tensor<A extends readonly unknown[]>(shape: Shape, lower: Lower<A, Values>, ...args: Recorded<A>): WasmTensor {
    return new WasmTensor(shape, this.#note(lower, args), lowering(lower, args));
  }

  pixels<A extends readonly unknown[]>(
    [width, height]: readonly [number, number],
    lower: Lower<A, Pixels>,
    ...args: Recorded<A>
  ): WasmPixels {
    return new WasmPixels(width, height, this.#note(lower, args), lowering(lower, args));
  }

  /** Several results of one op. */
  producer<A extends readonly unknown[]>(lower: Lower<A, Producer>, ...args: Recorded<A>): Traced<Producer> {
    return new Traced(this.#note(lower, args), lowering(lower, args));
  }

  results(results: readonly Traced<unknown>[]): void {
    this.#note('results', results);
  }

  /** Whether it calls the same as `other`, on inputs of the same shapes. */
  equals(other: Trace): boolean {
    const [a, b] = [this.#calls, other.#calls];
    return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
  }

  /** To be kept. */
  withoutValues(): Trace {
    const copy = new Trace();
    copy.#calls = this.#calls;
    return copy;
  }

  /**
   * A result is known by its number. An argument's place says what it is, since the same function takes the same kinds
   * of arguments.
   */
  #note(call: unknown, args: readonly unknown[]): number {
    this.#calls.push(call, args.length);
    for (const value of args) this.#calls.push(value instanceof Traced ? value.number : value);
    return this.#count++;
  }
}

function lowering<A extends readonly unknown[], L>(
  lower: Lower<A, L>,
  args: readonly unknown[],
): (program: Program) => L {
  return (program) => {
    const lowered = args.map((value) => (value instanceof Traced ? value.lowered(program) : value));
    return lower(program, ...(lowered as unknown as A)); // Recorded<A>, lowered
  };
}
