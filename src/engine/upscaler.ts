// The image upscaler: tiles through carafe-luma. RGBA8 -> planes -> luma by the network, with the source's local means;
// chroma by bicubic, and along the colours' line as far as luma left its own bicubic -> RGBA8 of the core.
import { type Backend, BLOCK, type DevicePixels, type Ops } from '../backends/backend.js';
import type { ClampedBytes } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { readDial } from '../models/dial.js';
import { parseSafetensors } from '../models/safetensors.js';
import { BLEED_RADIUS, bleedColours } from './alpha.js';
import { openInterpolation } from './interpolator.js';
import { type CarafeLuma, upscaleLuma } from './networks/carafe-luma.js';
import { INTERPOLATION } from './networks/interpolation.js';
import { Positions } from './positions.js';
import { type Evidence, judge, type Restore } from './restore.js';
import type { Spec } from './session.js';
import { type Halo, LARGEST_TILE, TILE, type TileJob, whiteTile } from './tiles.js';

export interface UpscalerOptions {
  /** The bytes of a .safetensors file. */
  readonly model: Uint8Array;
  /** Side of a tile's core, in input pixels; by default what suits the backend. */
  readonly tile?: number;
}

export interface UpscalerFacts {
  readonly scale: number;
  /** Input pixels a tile needs around its core: of opaque images, and of those with alpha. */
  readonly halo: { readonly opaque: Halo; readonly alpha: Halo };
  /** Side of a tile's core, in input pixels. */
  readonly tile: number;
  readonly modelName: string;
  /** Where the dial has one position: that, and why. */
  readonly fixed?: Restore;
}

export const upscaler = {
  half: true,
  open(backend: Backend, { model, tile: asked }: UpscalerOptions) {
    const file = parseSafetensors(model);
    if (file.metadata.architecture === INTERPOLATION) return openInterpolation(backend, file, asked);
    const dial = readDial(file);
    const positions = new Positions(backend, dial);
    const { clean } = positions; // sizes and the like: its weights may be freed
    const tile = (job: TileJob, position: number): Promise<RawImage> =>
      positions.use(position, (net) => runTile(backend, net, job));
    const facts: UpscalerFacts = {
      scale: clean.scale,
      halo: { opaque: tileHalo(clean, false), alpha: tileHalo(clean, true) },
      tile: asked ?? TILE,
      modelName: file.metadata.name ?? 'unnamed',
      ...(dial.ends === 1 && { fixed: { value: 0, reason: 'the model has one end' } }),
    };
    const restore = async (evidence: Evidence): Promise<Restore> => judge(evidence);
    const probe = (side: number): Promise<RawImage> => tile(whiteTile(side, facts.halo.opaque.border), 0);
    const { largestTensor } = backend;
    if (asked !== undefined || largestTensor === undefined) return { facts, programs: { tile, restore }, probe };
    const measure = async (): Promise<UpscalerFacts> => {
      const timed = async (side: number): Promise<number> => {
        const begun = performance.now();
        await probe(side);
        return performance.now() - begun;
      };
      let small = await timed(TILE / 4);
      if (small > TILE_MS / 4) return facts; // too slow to try more
      let large = Infinity;
      for (let i = 0; i < 4; i++) {
        large = Math.min(large, await timed(TILE));
        small = Math.min(small, await timed(TILE / 4));
      }
      return { ...facts, tile: tileSide(clean, largestTensor, large - small) }; // the rest any tile costs once
    };
    return { facts, programs: { tile, restore }, probe, measure };
  },
} satisfies Spec<UpscalerOptions, UpscalerFacts>;

/** Of one tile. Longer ones would hold a slow GPU, and whoever waits for progress or has cancelled. */
const TILE_MS = 100;

/** Side of the largest tile whose features fit a tensor and which takes TILE_MS, where the pixels of one of TILE take `milliseconds`. */
export function tileSide(net: CarafeLuma, largestTensor: number, milliseconds: number): number {
  const fits = Math.sqrt(largestTensor / Math.max(net.head.cOut, net.scale ** 2)) - 2 * tileHalo(net, true).inner;
  const quick = TILE * Math.sqrt(TILE_MS / Math.max(milliseconds, 1e-3));
  const side = Math.min(fits, quick, LARGEST_TILE);
  return Math.max(TILE, Math.floor(side / BLOCK) * BLOCK);
}

/** A tile is a program. */
export async function runTile(backend: Backend, net: CarafeLuma, job: TileJob): Promise<RawImage> {
  const ready = job.alpha ? { ...job, image: bleedColours(job.image) } : job;
  const [data] = await backend.runPixels((ops) => [tileProgram(ops, net, ready)]);
  const { width, height } = job.core;
  return { data: data as ClampedBytes, width: width * net.scale, height: height * net.scale };
}

/** RGBA8 of the tile -> RGBA8 of its core, enlarged. */
export function tileProgram(ops: Ops, net: CarafeLuma, { image, core, alpha }: TileJob): DevicePixels {
  const { scale } = net;
  const pixels = ops.inputPixels(image);
  const { luma, chroma } = ops.pixelsToPlanes(pixels, alpha);
  const big = upscaleLuma(ops, net, luma);
  const gains = ops.meanGains(big.luma, luma);
  const lines = ops.colourLines(pixels, luma, chroma);
  const result = ops.planesToPixels(
    { ...big, gains, chroma, lines },
    { x: core.x * scale, y: core.y * scale, width: core.width * scale, height: core.height * scale },
  );
  ops.free(luma, chroma, big.luma, big.base, gains, lines.slopes);
  return result;
}

/** Source pixels away that meanGains looks. */
export const GAINS_REACH = 2;

/** Extra input pixels that a tile needs. */
export function tileHalo(net: CarafeLuma, alpha: boolean): Halo {
  const onGrid = (pixels: number): number => Math.ceil((pixels + (alpha ? BLEED_RADIUS : 0)) / BLOCK) * BLOCK;
  return { border: onGrid(net.halo + GAINS_REACH), inner: onGrid(net.reach + GAINS_REACH) };
}
