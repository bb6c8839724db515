// One image as a call of the queue: tiles are cut when a runner is free, and handed out as they finish.
import type { BackendName } from '../backends/backend.js';
import { unlessAborted } from '../core/abort.js';
import type { Global } from '../core/platform.js';
import type { RawImage } from '../core/tensor.js';
import { inSlices } from '../core/turn.js';
import { sampleLuma, WINDOW } from './luma-windows.js';
import type { Call, Queue } from './queue.js';
import type { Restore } from './restore.js';
import type { WorkOf } from './specs.js';
import { cutting, findingAlpha, pixelsOf, planTiles, type TileJob } from './tiles.js';
import type { UpscalerFacts } from './upscaler.js';

export interface Progress {
  /** Tiles finished, and tiles in all. */
  readonly done: number;
  readonly total: number;
  readonly restore: Restore;
}

export interface RunOptions {
  /** As of the upscaler, for this image. Default: what the upscaler was created with. */
  readonly restore?: number | 'auto';
  /** The bytes of the file that pixels were decoded from: 'auto' reads a JPEG's quality in them. Of a Blob it has them. */
  readonly file?: ArrayBuffer | Uint8Array;
  /** Aborting rejects with `signal.reason` at once, and no more tiles are begun. */
  readonly signal?: Global<'AbortSignal'>;
  readonly onProgress?: (progress: Progress) => void;
}

/** A finished tile: its place in the output, and its pixels. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly image: RawImage;
  readonly restore: Restore;
}

/** Thrown where tiles were to come from one backend only, and the session had to go on with another. */
export const MOVED = Symbol('moved');

/** The position for an image, by what it went through. `file`: the first bytes of the file it was in. */
export async function chooseRestore(
  image: RawImage,
  file: Uint8Array<ArrayBuffer> | undefined,
  queue: Queue<UpscalerFacts>,
  signal: RunOptions['signal'],
): Promise<Restore> {
  if (!file && Math.min(image.width, image.height) < WINDOW) return { value: 0, reason: 'too small to tell' };
  const prepare = (): WorkOf<'upscaler'> => {
    const luma = sampleLuma({ ...image, data: pixelsOf(image) }); // anew each time: it moves to the worker
    return { program: 'restore', args: [{ luma, ...(file && { file }) }], transfer: [luma.buffer] };
  };
  return queue.call(1, prepare, signal);
}

export async function* upscaleTiles(
  image: RawImage,
  restore: Restore,
  queue: Queue<UpscalerFacts>,
  tileSize: number,
  { signal, onProgress }: RunOptions,
  only?: BackendName,
): AsyncGenerator<Tile, void, void> {
  const alpha = await unlessAborted(signal, inSlices(findingAlpha(image)));
  const cores = planTiles(image.width, image.height, tileSize);
  const finished: Tile[] = [];
  let begun = 0;
  let done = 0; // handed out
  let failure: { error: unknown } | undefined;
  let notify = (): void => {};

  const call: Call<UpscalerFacts> = {
    get left() {
      const ahead = begun - done; // no further than what can be under way: whoever reads the tiles may be slow
      return ahead < queue.slots ? cores.length - begun : 0;
    },
    next({ facts: { scale } }) {
      const core = cores[begun++];
      return {
        prepare: async ({ backend, facts }): Promise<WorkOf<'upscaler'>> => {
          if (only && backend !== only) {
            failure = { error: MOVED };
            throw MOVED;
          }
          const halo = alpha ? facts.halo.alpha : facts.halo.opaque;
          const job: TileJob = { ...(await inSlices(cutting(image, core, halo))), alpha };
          return { program: 'tile', args: [job, restore.value], transfer: [job.image.data.buffer as ArrayBuffer] };
        },
        done: (value) => {
          finished.push({ x: core.x * scale, y: core.y * scale, image: value as RawImage, restore });
          notify();
        },
      };
    },
    fail(error) {
      failure ??= { error };
      notify();
    },
  };
  queue.add(call, signal);
  try {
    while (done < cores.length) {
      if (failure) throw failure.error;
      const tile = finished.shift();
      if (tile) {
        done++;
        onProgress?.({ done, total: cores.length, restore });
        yield tile;
        queue.wake();
      } else {
        await new Promise<void>((resolve) => {
          notify = resolve;
        });
      }
    }
  } finally {
    queue.remove(call);
  }
}
