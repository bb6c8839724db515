// What is measured, as data. An operator shape is a CARAFE module on an [1, c, h, w] input; an image is RGBA of that size.
// The first three operator shapes are the ones compared with other runtimes; the others vary one axis each off the first, so
// that a shape that falls off a cliff is seen. test/conformance/cases.ts holds the shapes that are checked for being right.

const operator = { c: 256, h: 50, w: 50, scale: 2, kUp: 5, kEnc: 3, cMid: 64, groups: 1 };

/** slow: in a browser only wasm peers. @typedef {typeof operator & { name: string, peers?: boolean, slow?: boolean }} OperatorShape */

/** @type {OperatorShape[]} */
export const operators = [
  { ...operator, name: 'C=256 50x50', peers: true },
  { ...operator, name: 'C=256 100x100', h: 100, w: 100, peers: true },
  { ...operator, name: 'C=64 128x128', c: 64, h: 128, w: 128, peers: true },
  { ...operator, name: 'scale 3', scale: 3 },
  { ...operator, name: 'scale 4', h: 32, w: 32, scale: 4 },
  { ...operator, name: 'kUp 3', kUp: 3 },
  { ...operator, name: 'kUp 7', kUp: 7 },
  { ...operator, name: 'kEnc 1', kEnc: 1 },
  { ...operator, name: 'kEnc 5', kEnc: 5 },
  { ...operator, name: 'groups 2', groups: 2 },
  { ...operator, name: 'groups 4', groups: 4 },
  { ...operator, name: 'C=250', c: 250 },
  { ...operator, name: 'C=61 cMid=15', c: 61, cMid: 15 },
  { ...operator, name: 'tiny 4x4', h: 4, w: 4 },
  { ...operator, name: 'tiny 1x1', h: 1, w: 1 },
  { ...operator, name: 'wide 4x1024', h: 4, w: 1024 },
  { ...operator, name: 'tall 1024x4', h: 1024, w: 4 },
];

/** @type {OperatorShape[]} */
export const quickOperators = [
  { ...operator, name: 'C=16 12x12', c: 16, cMid: 8, h: 12, w: 12, peers: true },
  { ...operator, name: 'C=10 9x7 scale 3 groups 2 kUp 3', c: 10, cMid: 5, h: 9, w: 7, scale: 3, groups: 2, kUp: 3 },
];

/** tile: what peers that cannot hold the whole cut it into; slow: without the slowest peers; pool: also two workers.
 * @typedef {{ name: string, width: number, height: number, peers?: boolean, slow?: boolean, pool?: boolean, tile?: { width: number, height: number } }} ImageSize */

/** @type {ImageSize[]} */
export const images = [
  { name: '256x256', width: 256, height: 256, peers: true },
  { name: '512x512', width: 512, height: 512, peers: true, slow: true },
  {
    name: '1920x1080',
    width: 1920,
    height: 1080,
    peers: true,
    slow: true,
    pool: true,
    tile: { width: 240, height: 216 },
  },
];

/** @type {ImageSize[]} */
export const quickImages = [{ name: '48x40', width: 48, height: 40, peers: true, pool: true }];

/** Sides of square images: time against area. */
export const sides = [64, 128, 256, 512, 1024, 2048, 4096];
export const quickSides = [16, 32];

/** Small enough for a software GPU. @type {OperatorShape[]} */
export const browserOperators = [
  { ...operator, name: 'C=64 32x32', c: 64, h: 32, w: 32, peers: true }, // onnxruntime-web's WebGPU takes seconds a call on this one already
  ...operators.slice(0, 3).map((shape) => ({ ...shape, slow: true })),
];

/** @type {ImageSize[]} */
export const browserImages = [
  { name: '64x64', width: 64, height: 64, peers: true }, // grey: the peers compute luma alone
  { name: '256x256', width: 256, height: 256 },
];

/**
 * Direct-equivalent FLOPs of the module, 2 a multiply-accumulate; softmax and layout changes count nothing:
 *   compress  2 h w c cMid
 *   encode    2 h w cMid kEnc^2 groups kUp^2 scale^2
 *   reassemble 2 h w c kUp^2 scale^2
 * @param {OperatorShape} shape
 */
export function operatorFlops({ c, h, w, scale, kUp, kEnc, cMid, groups }) {
  const pixels = h * w;
  const taps = (kUp * scale) ** 2;
  return 2 * pixels * (c * cMid + cMid * kEnc ** 2 * groups * taps + c * taps);
}

/**
 * The same of carafe-luma on the pixels of an image, without halos and without bicubic:
 *   2 h w (9 channels + body 9 channels^2 + channels cMid + (cMid or channels) row + 9 channels groups + row), row = groups kUp^2 scale^2
 * @param {{ channels: number, body: number, groups: number, kUp: number, scale: number, cMid?: number }} network
 */
export function lumaFlops({ channels, body, groups, kUp, scale, cMid = 0 }, pixels) {
  const row = groups * (kUp * scale) ** 2;
  return (
    2 *
    pixels *
    (9 * channels + body * 9 * channels ** 2 + channels * cMid + (cMid || channels) * row + 9 * channels * groups + row)
  );
}
