// The upscaler on one thread: picks the backend, holds the network, runs tiles. In 'auto' it outlives a lost GPU: the tiles that met
// the loss and all later ones run on wasm.
import type { Backend, BackendName } from '../backends/backend.js';
import { type BackendRequest, openBackends, type Rejection } from '../backends/select.js';
import { CarafeError } from '../core/errors.js';
import type { RawImage } from '../core/tensor.js';
import { type ModelFile, parseSafetensors } from '../models/safetensors.js';
import { type CarafeLuma, loadCarafeLuma } from './networks/carafe-luma.js';
import type { Halo } from './tiles.js';
import { runTiles, tileHalo, type TileJob } from './upscale-tile.js';

export interface UpscalerSpec extends BackendRequest {
  /** The bytes of a .safetensors file. */
  readonly model: Uint8Array;
}

export interface EngineInfo {
  readonly backend: BackendName;
  /** The wasm build or the GPU adapter. */
  readonly details: string;
  readonly rejected: readonly Rejection[];
  /** Milliseconds a 64x64 tile took at creation, where there was a choice. */
  readonly timings: Readonly<Partial<Record<BackendName, number>>>;
  readonly scale: number;
  /** Input pixels a tile needs around its core: of opaque images, and of those with alpha. */
  readonly halo: { readonly opaque: Halo; readonly alpha: Halo };
  /** Tiles that are worth running together. */
  readonly batch: number;
  /** Of the network. */
  readonly modelName: string;
}

/** What runs tiles: an engine on this thread, or one in a worker. */
export interface TileRunner {
  readonly info: EngineInfo;
  runTiles(jobs: readonly TileJob[]): Promise<RawImage[]>;
}

interface Loaded {
  readonly backend: Backend;
  readonly net: CarafeLuma;
}

export class UpscalerEngine implements TileRunner {
  #loaded: Loaded | undefined;
  #info: EngineInfo;
  readonly #model: ModelFile;
  readonly #spec: UpscalerSpec;
  #recovery: Promise<Loaded> | undefined;

  /** @throws {CarafeError} BackendUnavailable, ModelInvalid */
  static async create(spec: UpscalerSpec): Promise<UpscalerEngine> {
    const model = parseSafetensors(spec.model);
    const { opened, rejected } = await openBackends(spec, { half: true }); // the results are bytes
    const candidates = opened.map((backend) => ({ backend, net: loadCarafeLuma(backend, model) }));
    const { chosen, timings } = await fastest(candidates, rejected);
    return new UpscalerEngine(spec, model, chosen, { rejected, timings });
  }

  private constructor(
    spec: UpscalerSpec,
    model: ModelFile,
    loaded: Loaded,
    found: Pick<EngineInfo, 'rejected' | 'timings'>,
  ) {
    this.#spec = spec;
    this.#model = model;
    this.#loaded = loaded;
    this.#info = {
      ...found,
      backend: loaded.backend.name,
      details: loaded.backend.details,
      scale: loaded.net.scale,
      halo: { opaque: tileHalo(loaded.net, false), alpha: tileHalo(loaded.net, true) },
      batch: loaded.backend.batch,
      modelName: model.metadata.name ?? 'unnamed',
    };
  }

  get info(): EngineInfo {
    return this.#info;
  }

  /** @throws {CarafeError} OutOfMemory, DeviceLost (an explicit GPU backend only), Disposed */
  async runTiles(jobs: readonly TileJob[]): Promise<RawImage[]> {
    const loaded = this.#alive();
    try {
      return await runTiles(loaded.backend, loaded.net, jobs);
    } catch (error) {
      if (this.#spec.backend !== 'auto' || loaded.backend.name !== 'webgpu' || !isGpuFailure(error)) throw error;
      this.#recovery ??= this.#moveToWasm(loaded, error);
      const { backend, net } = await this.#recovery;
      return runTiles(backend, net, jobs);
    }
  }

  dispose(): void {
    this.#loaded?.backend.dispose();
    this.#loaded = undefined;
  }

  async #moveToWasm(lost: Loaded, cause: CarafeError): Promise<Loaded> {
    const {
      opened: [backend],
    } = await openBackends({ ...this.#spec, backend: ['wasm'] });
    const loaded = { backend, net: loadCarafeLuma(backend, this.#model) };
    lost.backend.dispose();
    if (this.#loaded) this.#loaded = loaded;
    this.#info = {
      ...this.#info,
      backend: backend.name,
      details: backend.details,
      batch: backend.batch,
      rejected: [...this.#info.rejected, { backend: lost.backend.name, reason: cause.message }],
    };
    return loaded;
  }

  #alive(): Loaded {
    if (!this.#loaded) throw new CarafeError('Disposed', 'Expected a live upscaler, got one that was disposed');
    return this.#loaded;
  }
}

function isGpuFailure(error: unknown): error is CarafeError {
  return error instanceof CarafeError && (error.code === 'DeviceLost' || error.code === 'OutOfMemory');
}

/** With two candidates, the one whose second tile is quicker; the other is disposed and its time is the reason. */
async function fastest(
  candidates: Loaded[],
  rejected: Rejection[],
): Promise<{ chosen: Loaded; timings: EngineInfo['timings'] }> {
  if (candidates.length === 1) {
    const [{ backend, net }] = candidates;
    if (backend.name === 'webgpu') await runTiles(backend, net, [whiteTile(net, 8)]); // compiles the pipelines now, not in the first image
    return { chosen: candidates[0], timings: {} };
  }
  const timings: Partial<Record<BackendName, number>> = {};
  for (const { backend, net } of candidates) timings[backend.name] = await tileMilliseconds(backend, net);
  const [chosen, ...others] = candidates.sort((a, b) => timings[a.backend.name]! - timings[b.backend.name]!);
  for (const { backend } of others) {
    rejected.push({
      backend: backend.name,
      reason: `slower here: ${timings[backend.name]!.toFixed(1)} ms a tile, ${chosen.backend.name} ${timings[chosen.backend.name]!.toFixed(1)} ms`,
    });
    backend.dispose();
  }
  return { chosen, timings };
}

async function tileMilliseconds(backend: Backend, net: CarafeLuma): Promise<number> {
  const jobs = [whiteTile(net, 64)];
  await runTiles(backend, net, jobs); // compiles, allocates
  const start = performance.now();
  await runTiles(backend, net, jobs);
  return performance.now() - start;
}

function whiteTile(net: CarafeLuma, core: number): TileJob {
  const { border } = tileHalo(net, false);
  const side = core + 2 * border;
  return {
    image: { data: new Uint8ClampedArray(side * side * 4).fill(255), width: side, height: side },
    core: { x: border, y: border, width: core, height: core },
    alpha: false,
  };
}
