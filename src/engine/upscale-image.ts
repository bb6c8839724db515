// One image over runners: cut tiles, keep every runner busy with two batches of them (one computes while the other's result travels), hand
// tiles out as they finish. Knows no thread: a runner may be an engine here or one in a worker.
import type { Rectangle } from '../backends/backend.js';
import type { Global } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { isOpaque } from './alpha.js';
import { cutTile, planTiles } from './tiles.js';
import type { TileRunner } from './upscaler-engine.js';

export interface Progress {
  /** Tiles finished, and tiles in all. */
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  /** Aborting rejects with `signal.reason` at once; tiles already begun finish unseen. */
  readonly signal?: Global<'AbortSignal'>;
  readonly onProgress?: (progress: Progress) => void;
}

/** A finished tile: its place in the output, and its pixels. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly image: RawImage;
}

const BATCHES_PER_RUNNER = 2;

export async function* upscaleTiles(
  image: RawImage,
  runners: readonly TileRunner[],
  tileSize: number,
  { signal, onProgress }: RunOptions,
): AsyncGenerator<Tile, void, void> {
  const { scale, halo: halos, batch } = runners[0].info;
  const alpha = !isOpaque(image);
  const halo = alpha ? halos.alpha : halos.opaque;
  const cores = planTiles(image.width, image.height, tileSize);
  const idle = runners.flatMap((runner) => Array.from({ length: BATCHES_PER_RUNNER }, () => runner));
  const together = Math.min(batch, Math.ceil(cores.length / idle.length)); // so that there is a batch for each
  // A queue rather than Promise.race: racing against a long-lived promise would keep every tile alive until the image is done.
  const finished: Tile[] = [];
  let failure: { error: unknown } | undefined;
  let wake = (): void => {};
  const start = async (tiles: readonly Rectangle[], runner: TileRunner): Promise<void> => {
    try {
      const results = await runner.runTiles(tiles.map((core) => ({ ...cutTile(image, core, halo), alpha })));
      finished.push(...results.map((result, i) => ({ x: tiles[i].x * scale, y: tiles[i].y * scale, image: result })));
      idle.push(runner);
    } catch (error) {
      failure ??= { error };
    }
    wake();
  };
  const abort = (): void => wake();
  signal?.addEventListener('abort', abort);
  try {
    let next = 0;
    for (let done = 0; done < cores.length; ) {
      signal?.throwIfAborted();
      if (failure) throw failure.error;
      while (idle.length > 0 && next < cores.length) void start(cores.slice(next, (next += together)), idle.shift()!);
      const tile = finished.shift();
      if (tile) {
        done++;
        onProgress?.({ done, total: cores.length });
        yield tile;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
