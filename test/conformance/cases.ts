// What is tested, as data: for each op a control case, then one axis off it at a time, at the boundaries +-1 of what
// the kernels are built from: vectors of 4 and 8 channels, the conv tile of 5 pixels, workgroups of 8, 16 and 64
// invocations.
// Full products are left out on purpose: they cost much and find little that the axes do not. What interacts (window
// larger than the image, groups with narrow channels) has cases of its own. A case's data is seeded by its name.
import type { Arithmetic } from '../../src/backends/backend.js';
import type { Activation, Layout, Normalizer, Padding, ResizeMode } from '../../src/core/shapes.js';

export type LayoutCase = { op: 'nchwToNhwc' | 'nhwcToNchw'; n: number; c: number; h: number; w: number };
export type ConvCase = {
  op: 'conv2d';
  n: number;
  cIn: number;
  cOut: number;
  h: number;
  w: number;
  k: number;
  dilation: number;
  activation: Activation;
  slope: number;
  bias: boolean;
  residual: boolean;
  exact?: boolean;
  /** x is uniform in +-amplitude: 30 drives the activations far into their tails. */
  amplitude: number;
};
export type ShuffleCase = {
  op: 'pixelShuffle' | 'pixelUnshuffle';
  n: number;
  c: number;
  h: number;
  w: number;
  scale: number;
};
export type NormalizeCase = {
  op: 'normalizeKernels';
  n: number;
  h: number;
  w: number;
  kUp: number;
  scale: number;
  groups: number;
  normalizer: Normalizer;
  /**
   * usual: uniform in +-4; wide: also +-90, where exp leaves f32's range; low: all within -91..-89; equal: every tap
   * the same.
   */
  logits: 'usual' | 'wide' | 'low' | 'equal';
};
export type ReassembleCase = {
  op: 'reassemble';
  n: number;
  c: number;
  h: number;
  w: number;
  kUp: number;
  scale: number;
  groups: number;
  padding: Padding;
  layout: Layout;
};
export type ReassembleSumCase = {
  op: 'reassembleSum';
  n: number;
  cIn: number;
  h: number;
  w: number;
  kUp: number;
  scale: number;
  groups: number;
};
export type ResizeCase = {
  op: 'resize';
  n: number;
  c: number;
  h: number;
  w: number;
  height: number;
  width: number;
  mode: ResizeMode;
  cubicA: number;
};
export type PixelsToPlanesCase = {
  op: 'pixelsToPlanes';
  w: number;
  h: number;
  alpha: boolean;
  plane: 'luma' | 'chroma';
};
/** big and small are uniform in low..high: past both ends of 0..1, or near one. */
export type MeanGainsCase = {
  op: 'meanGains';
  n: number;
  h: number;
  w: number;
  scale: number;
  low: number;
  high: number;
};
export type ColourLinesCase = {
  op: 'colourLines';
  w: number;
  h: number;
  /** noise: every pixel of its own; lines: colours on a line between two, and little noise; flat: nearly one colour. */
  colours: 'noise' | 'lines' | 'flat';
  result: 'slopes' | 'low' | 'high';
};
export type PlanesToPixelsCase = {
  op: 'planesToPixels';
  w: number;
  h: number;
  scale: number;
  alpha: boolean;
  crop: readonly [x: number, y: number, width: number, height: number];
};
/** cMid 0: no compress. */
export type CarafePackCase = {
  op: 'carafePack';
  n: number;
  c: number;
  cMid: number;
  h: number;
  w: number;
  kEnc: number;
  kUp: number;
  scale: number;
  groups: number;
  normalizer: Normalizer;
  dilation: number;
  activation: Activation;
  padding: Padding;
  layout: Layout;
};
/**
 * RGBA8 -> luma network (head, residual body, encode, maps, reassembleSum over bicubic) and bicubic chroma -> RGBA8.
 */
export type ImageCase = {
  op: 'image';
  w: number;
  h: number;
  alpha: boolean;
  channels: number;
  body: number;
  groups: number;
  kUp: number;
  scale: number;
};

export type SliceCase = {
  op: 'slice';
  n: number;
  c: number;
  h: number;
  w: number;
  top: number;
  left: number;
  height: number;
  width: number;
  step: number;
};
/** Three tensors, of so many channels. */
export type ConcatCase = { op: 'concat'; n: number; h: number; w: number; channels: readonly [number, number, number] };
export type ArithmeticCase = {
  op: 'arithmetic';
  n: number;
  c: number;
  h: number;
  w: number;
  operation: Arithmetic;
  /** What b is: of a's shape, one value for each pixel, or a number. */
  b: 'tensor' | 'pixel' | 'number';
};
export type AveragePoolCase = {
  op: 'averagePool';
  n: number;
  c: number;
  h: number;
  w: number;
  height: number;
  width: number;
};
/** Offsets are uniform in +-reach. */
export type GridSampleCase = {
  op: 'gridSample';
  n: number;
  c: number;
  h: number;
  w: number;
  height: number;
  width: number;
  groups: number;
  reach: number;
};

export type Case =
  | SliceCase
  | ConcatCase
  | ArithmeticCase
  | AveragePoolCase
  | GridSampleCase
  | LayoutCase
  | ConvCase
  | ShuffleCase
  | NormalizeCase
  | ReassembleCase
  | ReassembleSumCase
  | ResizeCase
  | PixelsToPlanesCase
  | MeanGainsCase
  | ColourLinesCase
  | PlanesToPixelsCase
  | CarafePackCase
  | ImageCase;

/** The control case, then every value of every axis in its place. */
function sweep<C extends Case>(control: C, axes: { readonly [K in keyof C]?: readonly C[K][] }): C[] {
  const keys = Object.keys(axes) as (keyof C)[];
  return [
    control,
    ...keys.flatMap((key) =>
      axes[key]!.filter((value) => value !== control[key]).map((value) => ({ ...control, [key]: value })),
    ),
  ];
}

const layout: LayoutCase[] = (['nchwToNhwc', 'nhwcToNchw'] as const).flatMap((op) => [
  ...sweep<LayoutCase>(
    { op, n: 1, c: 5, h: 3, w: 7 },
    { n: [2], c: [1, 3, 4, 8, 9, 16, 17, 33], h: [1, 9], w: [1, 8, 17] },
  ),
  { op, n: 1, c: 1, h: 1, w: 1 },
]);

const convControl: ConvCase = {
  op: 'conv2d',
  n: 1,
  cIn: 4,
  cOut: 8,
  h: 6,
  w: 7,
  k: 3,
  dilation: 1,
  activation: 'none',
  slope: 0.01,
  bias: true,
  residual: false,
  amplitude: 1,
};
const pointwise: ConvCase = { ...convControl, k: 1, cIn: 5, h: 1, w: 5 };
const conv: ConvCase[] = [
  ...sweep(convControl, {
    n: [2],
    cIn: [1, 2, 3, 5, 7, 8, 9, 16, 17],
    cOut: [1, 2, 3, 4, 5, 7, 9, 16, 17, 20, 36, 100],
    h: [1, 2, 5, 7, 8, 9, 16, 17],
    w: [1, 2, 4, 5, 6, 8, 9, 10, 11, 15, 16, 17, 33],
    k: [1, 5],
    dilation: [2, 3],
    bias: [false],
    residual: [true],
  }),
  ...sweep(pointwise, {
    n: [2, 3],
    cIn: [1, 3, 4, 7, 8, 9, 64],
    cOut: [1, 3, 4, 7, 9, 16, 17],
    w: [1, 2, 4, 6, 9, 10, 11, 16, 17, 63, 64, 65],
    h: [3],
    bias: [false],
    dilation: [2],
  }),
  ...(['relu', 'leaky-relu', 'silu', 'hardswish'] as const).flatMap((activation) => [
    { ...convControl, activation },
    { ...convControl, activation, amplitude: 30 },
    { ...convControl, activation, residual: true, bias: false, cOut: 5 },
    { ...pointwise, activation, cOut: 7 },
  ]),
  ...[0, 0.1, 0.25, 1, 1.5, -0.5].map((slope): ConvCase => ({ ...convControl, activation: 'leaky-relu', slope })),
  { ...convControl, k: 5, dilation: 2, h: 3, w: 2 }, // most taps outside on every side
  { ...convControl, k: 5, dilation: 3, h: 13, w: 14 },
  { ...convControl, k: 3, dilation: 3, h: 2, w: 3 }, // only the centre tap inside
  { ...convControl, k: 5, h: 1, w: 1 },
  ...[1, 3].flatMap((k) =>
    [
      [1, 1, 1],
      [1, 1, 4],
      [1, 3, 4],
      [2, 1, 4],
      [3, 1, 8],
      [3, 1, 5],
      [4, 1, 1],
    ].map(([cIn, w, cOut]): ConvCase => ({ ...convControl, k, h: 1, w, cIn, cOut })),
  ), // fewer values than a vector
  { ...convControl, h: 1, w: 1, cIn: 3, cOut: 4, bias: false, residual: true },
  { ...convControl, k: 3, cIn: 1, cOut: 1, h: 9, w: 11 },
  { ...convControl, k: 7, h: 8, w: 9 },
  { ...convControl, n: 3, cIn: 9, cOut: 5, h: 5, w: 9, bias: false, residual: true },
  { ...convControl, cIn: 16, cOut: 16, h: 9, w: 21, activation: 'leaky-relu', slope: 0.1, residual: true },
  { ...convControl, n: 2, cIn: 12, cOut: 32, h: 17, w: 33, activation: 'leaky-relu', slope: 0.1, residual: true }, // several workgroups, as the next
  { ...convControl, cIn: 8, cOut: 4, h: 33, w: 18 },
  { ...convControl, cIn: 64, cOut: 100, h: 4, w: 6 }, // the encoder of the paper's defaults
  // Blocks of 4x4 pixels, groups of 5 blocks, ranges of 32 channels (assembly/winograd.ts).
  ...sweep(
    { ...convControl, cIn: 8, h: 9, w: 11 },
    {
      n: [2],
      cIn: [12, 16, 20],
      cOut: [9, 12, 16, 32, 33, 36, 40, 68],
      h: [1, 2, 3, 4, 5, 8, 33],
      w: [1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 17, 20, 21, 37],
      activation: ['relu', 'leaky-relu', 'silu', 'hardswish'],
      bias: [false],
      residual: [true],
      dilation: [2],
      exact: [true],
    },
  ),
];

const shuffle: ShuffleCase[] = (['pixelShuffle', 'pixelUnshuffle'] as const).flatMap((op) => [
  ...sweep<ShuffleCase>(
    { op, n: 1, c: 3, h: 3, w: 5, scale: 2 },
    { n: [2], c: [1, 4, 5, 8, 9, 25], h: [1, 8], w: [1, 4, 9, 17], scale: [1, 3, 4] },
  ),
  ...[1, 2].map((scale): ShuffleCase => ({ op, n: 1, c: 1, h: 1, w: 1, scale })),
]);

const normalizeControl: NormalizeCase = {
  op: 'normalizeKernels',
  n: 1,
  h: 3,
  w: 5,
  kUp: 5,
  scale: 2,
  groups: 1,
  normalizer: 'softmax',
  logits: 'usual',
};
const normalize: NormalizeCase[] = [
  ...sweep(normalizeControl, {
    n: [2],
    h: [1, 2],
    w: [1, 2, 4, 7, 8, 9, 16, 17, 33],
    kUp: [1, 3, 7],
    scale: [1, 3, 4],
    groups: [2, 3, 5],
  }),
  ...(['sigmoid', 'sigmoid-normalized'] as const).flatMap((normalizer) =>
    sweep<NormalizeCase>(
      { ...normalizeControl, normalizer },
      { n: [2], w: [1, 17], kUp: [1, 3, 7], scale: [1, 3, 4], groups: [2, 3] },
    ),
  ),
  ...[1, 2, 3].map((scale): NormalizeCase => ({ ...normalizeControl, h: 1, w: 1, kUp: 1, scale })),
  ...(['softmax', 'sigmoid', 'sigmoid-normalized'] as const).flatMap((normalizer) =>
    (['wide', 'low', 'equal'] as const).flatMap((logits) =>
      [1, 2, 3].map((scale) => ({ ...normalizeControl, normalizer, logits, scale })),
    ),
  ),
];

const reassembleControl: ReassembleCase = {
  op: 'reassemble',
  n: 1,
  c: 5,
  h: 7,
  w: 9,
  kUp: 5,
  scale: 2,
  groups: 1,
  padding: 'zero',
  layout: 'NHWC',
};
const reassemble: ReassembleCase[] = [
  ...sweep(reassembleControl, {
    n: [2],
    c: [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33],
    h: [1, 2, 4, 5, 6, 8, 15, 17],
    w: [1, 2, 4, 5, 6, 8, 15, 16, 17, 33],
    kUp: [1, 3, 7],
    scale: [1, 3, 4],
    groups: [5],
    padding: ['replicate', 'reflect'],
  }),
  // To planes, and in slices of channels (backends/wasm/reassemble.ts).
  ...sweep<ReassembleCase>(
    { ...reassembleControl, layout: 'NCHW', w: 33 },
    {
      n: [2],
      c: [1, 3, 4, 8, 64, 129, 300],
      w: [1, 2, 3, 4, 32, 65],
      scale: [1, 3, 4, 12],
      kUp: [1, 3],
      padding: ['reflect'],
    },
  ),
  { ...reassembleControl, layout: 'NCHW', c: 132, groups: 2, w: 3 },
  ...(['NCHW', 'NHWC'] as const).flatMap((layout) =>
    (['zero', 'reflect'] as const).map(
      (padding): ReassembleCase => ({ ...reassembleControl, layout, c: 164, groups: 2, w: 5, padding }),
    ),
  ),
  ...[
    [2, 2],
    [4, 2],
    [6, 2],
    [8, 2],
    [10, 2],
    [16, 2],
    [18, 2],
    [8, 4],
    [16, 4],
    [9, 3],
    [12, 3],
    [8, 8],
    [17, 17],
    [1, 1],
  ].map(([c, groups]): ReassembleCase => ({ ...reassembleControl, c, groups, h: 3, w: 5 })),
  ...[1, 2].flatMap((scale) =>
    [1, 3, 4].map((c): ReassembleCase => ({ ...reassembleControl, c, h: 1, w: 1, kUp: 1, scale })),
  ), // fewer values than a vector
  ...(['zero', 'replicate', 'reflect'] as const).flatMap((padding) => [
    ...[
      [1, 1],
      [1, 2],
      [2, 1],
      [2, 3],
      [3, 2],
      [1, 9],
      [9, 1],
      // window larger than the image
    ].map(([h, w]): ReassembleCase => ({ ...reassembleControl, h, w, kUp: 7, padding })),
    ...[1, 3, 4].flatMap((scale) =>
      [1, 4, 8].map((c): ReassembleCase => ({ ...reassembleControl, scale, c, h: 4, w: 5, padding })),
    ),
    { ...reassembleControl, n: 2, c: 6, groups: 3, kUp: 3, scale: 3, h: 4, w: 5, padding } satisfies ReassembleCase,
  ]),
];

const sumControl: ReassembleSumCase = { op: 'reassembleSum', n: 1, cIn: 5, h: 5, w: 7, kUp: 3, scale: 2, groups: 4 };
const reassembleSum: ReassembleSumCase[] = [
  ...sweep(sumControl, {
    n: [2],
    cIn: [1, 4, 16],
    h: [1, 2, 8, 9],
    w: [1, 2, 4, 5, 6, 8, 9, 16, 17, 33, 40, 41, 81],
    kUp: [1, 5, 7],
    scale: [1, 3, 4],
    groups: [1, 2, 3, 5, 8, 16],
  }),
  { ...sumControl, n: 2, cIn: 8, h: 17, w: 33, groups: 6 }, // several workgroups, as the next two
  { ...sumControl, cIn: 32, h: 18, w: 17, scale: 3, groups: 2 },
  { ...sumControl, cIn: 16, h: 5, w: 17, scale: 4 },
  { ...sumControl, h: 1, w: 2, kUp: 7 },
  { ...sumControl, h: 1, w: 1, kUp: 1, scale: 1, groups: 1 },
  { ...sumControl, h: 1, w: 1, kUp: 3, scale: 2, groups: 1 },
  { ...sumControl, h: 2, w: 1, kUp: 5, scale: 3, groups: 3 },
];

const resizeControl: ResizeCase = {
  op: 'resize',
  n: 1,
  c: 3,
  h: 6,
  w: 7,
  height: 12,
  width: 14,
  mode: 'bilinear',
  cubicA: -0.5,
};
const resize: ResizeCase[] = (['bilinear', 'bicubic'] as const).flatMap((mode) => [
  ...sweep<ResizeCase>(
    { ...resizeControl, mode },
    {
      n: [2],
      c: [1, 2, 4, 5, 8, 9],
      height: [1, 3, 6, 11, 13, 17, 33],
      width: [1, 3, 7, 13, 15, 21, 28],
      h: [1, 2, 17],
      w: [1, 2, 33],
    },
  ),
  { ...resizeControl, mode, h: 1, w: 1, height: 5, width: 6 },
  { ...resizeControl, mode, c: 1, h: 1, w: 1, height: 1, width: 1 },
  { ...resizeControl, mode, h: 9, w: 11, height: 1, width: 1 },
  { ...resizeControl, mode, height: 6, width: 7 }, // the identity
  { ...resizeControl, mode, c: 1, height: 24, width: 28 },
  { ...resizeControl, mode, cubicA: -0.75 },
  ...[-0.5, -0.75].map((cubicA): ResizeCase => ({ ...resizeControl, mode, cubicA, height: 5, width: 17, c: 4 })),
]);

const toPlanes: PixelsToPlanesCase[] = (['luma', 'chroma'] as const).flatMap((plane) =>
  sweep<PixelsToPlanesCase>(
    { op: 'pixelsToPlanes', w: 7, h: 5, alpha: false, plane },
    { w: [1, 3, 4, 8, 16, 17, 33], h: [1, 16, 17], alpha: [true] },
  ),
);

const meanGains: MeanGainsCase[] = [
  ...sweep<MeanGainsCase>(
    { op: 'meanGains', n: 1, h: 5, w: 7, scale: 2, low: -0.2, high: 1.2 },
    { n: [2], h: [1, 2, 3, 9], w: [1, 2, 3, 4, 5, 8, 9, 16, 17], scale: [1, 3, 4], low: [0.98], high: [0.01] },
  ),
  ...[1, 2, 3, 4].map((scale): MeanGainsCase => ({ op: 'meanGains', n: 1, h: 1, w: 1, scale, low: 0, high: 1 })),
];

const colourLines: ColourLinesCase[] = (['slopes', 'low', 'high'] as const).flatMap((result) =>
  (['noise', 'lines', 'flat'] as const).flatMap((colours) =>
    sweep<ColourLinesCase>(
      { op: 'colourLines', w: 9, h: 6, colours, result },
      colours === 'noise' ? { w: [1, 2, 3, 4, 5, 8, 16, 17], h: [1, 2, 3, 17] } : {},
    ),
  ),
);

const toPixelsControl: PlanesToPixelsCase = {
  op: 'planesToPixels',
  w: 9,
  h: 7,
  scale: 1,
  alpha: false,
  crop: [0, 0, 9, 7],
};
const toPixels: PlanesToPixelsCase[] = [false, true].flatMap((alpha) => [
  { ...toPixelsControl, alpha },
  ...(
    [
      [1, 0, 8, 7],
      [0, 2, 9, 5],
      [2, 1, 5, 4],
      [8, 6, 1, 1],
      [3, 3, 4, 4],
    ] as const
  ).map((crop) => ({ ...toPixelsControl, alpha, crop })),
  { ...toPixelsControl, alpha, w: 33, h: 17, crop: [16, 1, 17, 16] as const },
  { ...toPixelsControl, alpha, w: 1, h: 1, crop: [0, 0, 1, 1] as const },
  { ...toPixelsControl, alpha, w: 64, h: 3, crop: [0, 0, 64, 3] as const },
  ...[2, 3, 4].map((scale) => ({ ...toPixelsControl, alpha, scale, crop: [scale, 1, 7 * scale, 5] as const })),
  ...[2, 3, 4].map((scale) => ({
    ...toPixelsControl,
    alpha,
    w: 17,
    h: 3,
    scale,
    crop: [1, 1, 15 * scale, 5] as const,
  })),
  { ...toPixelsControl, alpha, w: 1, h: 33, scale: 2, crop: [0, 31, 2, 35] as const },
]);

const packControl: CarafePackCase = {
  op: 'carafePack',
  n: 1,
  c: 6,
  cMid: 5,
  h: 5,
  w: 6,
  kEnc: 3,
  kUp: 5,
  scale: 2,
  groups: 1,
  normalizer: 'softmax',
  dilation: 1,
  activation: 'none',
  padding: 'zero',
  layout: 'NCHW',
};
/** (kEnc, kUp) of the paper's Table 9, and each normaliser of its Table 10 on them. */
const TABLE_9 = [
  [1, 3],
  [1, 5],
  [3, 3],
  [3, 5],
  [3, 7],
  [5, 5],
  [5, 7],
  [7, 7],
] as const;
const pack: CarafePackCase[] = [
  ...TABLE_9.flatMap(([kEnc, kUp]) =>
    (['softmax', 'sigmoid', 'sigmoid-normalized'] as const).map((normalizer) => ({
      ...packControl,
      c: 8,
      cMid: 4,
      kEnc,
      kUp,
      normalizer,
    })),
  ),
  ...sweep(packControl, {
    n: [2],
    c: [1, 4, 7, 8, 12, 17],
    cMid: [0, 1, 4, 8, 16],
    h: [1, 2, 4, 7, 13],
    w: [1, 2, 4, 5, 8, 9, 17, 70],
    kEnc: [1, 5],
    kUp: [1, 3, 7],
    scale: [1, 3, 4],
    groups: [2, 3, 6],
    normalizer: ['sigmoid', 'sigmoid-normalized'],
    dilation: [2, 3],
    activation: ['relu', 'leaky-relu', 'silu', 'hardswish'],
    padding: ['replicate', 'reflect'],
    layout: ['NHWC'],
  }),
  ...sweep<CarafePackCase>(
    { ...packControl, c: 8, cMid: 8, layout: 'NHWC' },
    {
      n: [2],
      cMid: [0],
      w: [5, 17],
      kEnc: [1],
      kUp: [3],
      scale: [1, 3, 4],
      groups: [2, 4],
      normalizer: ['sigmoid', 'sigmoid-normalized'],
      dilation: [2],
      padding: ['reflect'],
      layout: ['NCHW'],
    },
  ),
  { ...packControl, h: 1, w: 1 },
  { ...packControl, c: 1, cMid: 1, h: 1, w: 1, kUp: 1, scale: 1 },
  { ...packControl, c: 3, cMid: 3, h: 1, w: 1, kUp: 3 },
  { ...packControl, c: 8, cMid: 0, h: 1, w: 1, kEnc: 1, kUp: 7, scale: 3 },
  {
    ...packControl,
    n: 2,
    c: 8,
    cMid: 8,
    h: 4,
    w: 4,
    groups: 2,
    scale: 3,
    kUp: 3,
    normalizer: 'sigmoid-normalized',
    padding: 'reflect',
  },
  { ...packControl, c: 16, cMid: 8, h: 8, w: 9, activation: 'silu' },
  { ...packControl, c: 32, cMid: 16, h: 9, w: 13 }, // the module's usual proportions
];

const imageControl: ImageCase = {
  op: 'image',
  w: 11,
  h: 9,
  alpha: false,
  channels: 8,
  body: 2,
  groups: 4,
  kUp: 3,
  scale: 2,
};
const image: ImageCase[] = [
  ...sweep(imageControl, {
    w: [1, 5, 17],
    h: [8],
    alpha: [true],
    channels: [5, 16],
    body: [0],
    groups: [1, 3],
    kUp: [1, 5],
    scale: [1, 3, 4],
  }),
  { ...imageControl, w: 17, h: 1 },
];

const slice: SliceCase[] = [
  ...sweep<SliceCase>(
    { op: 'slice', n: 1, c: 5, h: 7, w: 9, top: 0, left: 0, height: 6, width: 7, step: 1 },
    { n: [2], c: [1, 4, 8, 9], top: [1], left: [2], height: [1, 7], width: [1, 9] },
  ),
  { op: 'slice', n: 2, c: 3, h: 7, w: 9, top: 0, left: 0, height: 4, width: 5, step: 2 },
  { op: 'slice', n: 1, c: 4, h: 8, w: 8, top: 1, left: 1, height: 3, width: 3, step: 3 },
];

const concat: ConcatCase[] = sweep<ConcatCase>(
  { op: 'concat', n: 1, h: 3, w: 5, channels: [4, 3, 8] },
  {
    n: [2],
    h: [1],
    w: [1],
    channels: [
      [1, 1, 1],
      [5, 16, 2],
    ],
  },
);

const arithmetic: ArithmeticCase[] = (['add', 'multiply', 'divide', 'minimum', 'maximum'] as const).flatMap(
  (operation) =>
    sweep<ArithmeticCase>(
      { op: 'arithmetic', n: 1, c: 5, h: 3, w: 7, operation, b: 'tensor' },
      { n: [2], c: [1, 4], b: ['pixel', 'number'] },
    ),
);

const averagePool: AveragePoolCase[] = sweep<AveragePoolCase>(
  { op: 'averagePool', n: 1, c: 5, h: 7, w: 9, height: 3, width: 2 },
  { n: [2], c: [1, 4, 8, 9], h: [1, 2], w: [1, 6], height: [1, 7, 9], width: [1, 6, 9] },
);

const gridSample: GridSampleCase[] = sweep<GridSampleCase>(
  { op: 'gridSample', n: 1, c: 8, h: 5, w: 7, height: 10, width: 14, groups: 1, reach: 1.5 },
  {
    n: [2],
    c: [4, 12, 16],
    h: [1, 9],
    w: [1, 8],
    height: [5, 15],
    width: [7, 13],
    groups: [2, 4, 8],
    reach: [0.25, 20],
  },
);

export const cases: readonly Case[] = [
  ...slice,
  ...concat,
  ...arithmetic,
  ...averagePool,
  ...gridSample,
  ...layout,
  ...conv,
  ...shuffle,
  ...normalize,
  ...reassemble,
  ...reassembleSum,
  ...resize,
  ...toPlanes,
  ...meanGains,
  ...colourLines,
  ...toPixels,
  ...pack,
  ...image,
];

/** Unique, and enough to build the case from: `reassemble n=1 c=5 h=7 w=9 kUp=5 scale=2 groups=1 padding=zero`. */
export function caseName(c: Case): string {
  return Object.entries(c)
    .map(([key, value]) => (key === 'op' ? value : `${key}=${value}`))
    .join(' ');
}
