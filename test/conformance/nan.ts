// Where NaN goes (src/backends/backend.ts): a few values of one input are replaced, and what comes out has to be NaN
// exactly where the reference's is, and right everywhere else. And tensors of no images at all, on every op.
import type { Backend, DeviceConv, DeviceTensor, Ops } from '../../src/backends/backend.js';
import { type Case, caseName, cases } from './cases.js';
import { programOf, type TensorProgram } from './programs.js';
import { Random, seedOf } from '../random.js';

/** A program whose input number `input` has `value` in some places. */
export interface SpoiltCase {
  readonly name: string;
  readonly program: TensorProgram;
}

type Places = 'ends' | 'anywhere';

/** Of the cases that there are, those that differ in where values go. */
const chosen = cases.filter((c) => {
  switch (c.op) {
    case 'nchwToNhwc':
    case 'nhwcToNchw':
    case 'pixelShuffle':
    case 'pixelUnshuffle':
      return c.n === 2;
    case 'conv2d':
      return (
        (c.h === 6 && c.w === 7 && c.amplitude === 1 && c.n === 1 && (c.cOut === 8 || c.residual)) ||
        (c.k === 5 && c.dilation > 1) ||
        (c.k === 3 && c.cIn >= 8 && c.h > 4 && c.w > 4 && c.cOut <= 16) // Winograd's
      );
    case 'normalizeKernels':
      return c.logits === 'usual' && c.kUp <= 5 && c.h * c.w > 1;
    case 'reassemble':
      return c.scale < 5 && c.c < 200 && c.h === 7 && c.w < 40;
    case 'reassembleSum':
      return c.n === 1 && c.h > 2 && c.w < 12;
    case 'slice':
    case 'concat':
    case 'arithmetic':
    case 'averagePool':
      return c.n === 2;
    case 'gridSample':
      return c.h === 5 && c.w === 7 && c.reach === 1.5;
    case 'resize':
      return c.h > 2 && c.w > 2 && c.c < 4;
    case 'carafePack':
      return c.h < 10 && c.w < 20 && c.kUp <= 5;
    default:
      return false; // images hold bytes
  }
});

export const spoiltCases: readonly SpoiltCase[] = chosen.flatMap((c, i) => {
  const input = i % inputsOf(c); // each in its turn
  // Infinite kernels of the first and last pixel, of taps that lie outside.
  const infinite = c.op === 'reassemble' && input === 1 && c.padding === 'zero' && c.kUp > 1;
  return [
    spoilt(c, input, NaN, i % 3 === 0 ? 'ends' : 'anywhere'),
    ...(infinite ? [spoilt(c, input, Infinity, 'ends')] : []),
  ];
});

export const emptyCases: readonly { readonly name: string; readonly program: TensorProgram }[] = [
  ...new Map(
    cases
      .filter((c) => 'n' in c)
      .map((c) => [`${c.op} ${'layout' in c ? c.layout : ''} ${'mode' in c ? c.mode : ''}`, c] as const),
  ).values(),
].map((c) => {
  const empty = { ...c, n: 0 } as Case;
  return { name: `of no images: ${caseName(empty)}`, program: programOf(empty) as TensorProgram };
});

export async function checkEmpty(backend: Backend, { convs, tensor }: TensorProgram): Promise<void> {
  const placed = convs.map((conv) => backend.conv(conv));
  const y = await backend.run((ops) => tensor(ops, placed));
  if (y.length !== 0) throw new Error(`Expected no values, got ${y.length}`);
}

function spoilt(c: Case, input: number, value: number, places: Places): SpoiltCase {
  const { convs, tensor } = programOf(c) as TensorProgram;
  const name = `${value} ${places === 'ends' ? 'at both ends' : 'somewhere'} in input ${input} of ${caseName(c)}`;
  return {
    name,
    program: {
      convs,
      tensor(ops: Ops, devices: readonly DeviceConv[]): DeviceTensor {
        const random = new Random(seedOf(name));
        let count = 0;
        return tensor(
          {
            ...ops,
            input(data, shape) {
              if (count++ !== input) return ops.input(data, shape);
              const changed = data.slice();
              const at =
                places === 'ends' ? [0, data.length - 1] : [1, 2].map(() => random.integer(0, data.length - 1));
              for (const i of at) changed[i] = value;
              return ops.input(changed, shape);
            },
          },
          devices,
        );
      },
    },
  };
}

/** How many tensors a case's program is given. */
function inputsOf(c: Case): number {
  if (c.op === 'reassemble' || c.op === 'gridSample') return 2;
  if (c.op === 'concat') return 3;
  if (c.op === 'arithmetic') return c.b === 'number' ? 1 : 2;
  if (c.op === 'reassembleSum') return 3;
  return c.op === 'conv2d' && c.residual ? 2 : 1;
}
