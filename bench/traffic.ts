// What a program moves on a GPU: its dispatches as the backend records them, and the bytes of the tensors and weights that each binds,
// every one counted once. What a dispatch fetches again because a cache lost it is not in here.
// Against two minima from the formulas, f32:
//   layers  each layer of the network reads what it needs once and writes its result once; bicubic reads its input and writes nothing, being
//           part of the layer after it
//   ends    the program's input, its parameters and its result, once: what one dispatch for everything would move
import { createOps } from '../src/backends/webgpu/webgpu-backend.js';
import { BufferPool, type Storage } from '../src/backends/webgpu/buffer-pool.js';
import { CommandList } from '../src/backends/webgpu/command-list.js';
import { type GpuContext, SharedDevice } from '../src/backends/webgpu/device.js';
import texts from '../src/backends/webgpu/shader-texts.js';
import { GpuConv } from '../src/backends/webgpu/weights.js';
import type { Backend, DeviceConv, DevicePixels, DeviceTensor, Ops } from '../src/backends/backend.js';
import { loadCarafeLuma } from '../src/engine/networks/carafe-luma.js';
import { tileHalo, tileProgram } from '../src/engine/upscaler.js';
import { parseSafetensors } from '../src/models/safetensors.js';

export type Mode = Pick<GpuContext, 'half' | 'hardware'>;

export interface DispatchTraffic {
  /** shader.entryPoint */
  readonly what: string;
  readonly read: number; // bytes
  readonly written: number;
  readonly mflops: number;
}

export interface Traffic {
  readonly name: string;
  readonly dispatches: readonly DispatchTraffic[];
  readonly bytes: number; // read and written by all
  readonly layers: number; // the minima, bytes
  readonly ends: number;
}

export interface ModuleShape {
  name: string;
  c: number;
  h: number;
  w: number;
  scale: number;
  kUp: number;
  kEnc: number;
  cMid: number;
  groups: number;
}

/** The module of the paper, its sizes apart. */
export const MODULE = {
  activation: 'none',
  slope: 0,
  dilation: 1,
  normalizer: 'softmax',
  padding: 'zero',
} as const;

/** The learned module, NCHW in and out. */
export function moduleTraffic(device: GPUDevice, shape: ModuleShape, mode: Mode): Traffic {
  const { name, c, h, w, scale, kUp, kEnc, cMid, groups } = shape;
  const row = groups * (kUp * scale) ** 2;
  const pool = new BufferPool(device);
  const conv = (cIn: number, cOut: number, k: number): DeviceConv =>
    new GpuConv(device, pool, {
      weights: new Float32Array(cOut * cIn * k * k),
      bias: new Float32Array(cOut),
      cIn,
      cOut,
      k,
    });
  const module = {
    scale,
    kUp,
    groups,
    compress: conv(c, cMid, 1),
    encode: conv(cMid, row, kEnc),
    ...MODULE,
  };
  const dispatches = record(device, pool, mode, (ops) =>
    ops.carafePack(ops.input(new Float32Array(c * h * w), [1, c, h, w]), module, 'NCHW'),
  );
  const [x, middle, rows, y] = [c, cMid, row, c * scale ** 2].map((values) => values * h * w * 4);
  const parameters = 4 * (cMid * (c + 1) + row * (cMid * kEnc ** 2 + 1));
  return total(name, dispatches, {
    layers: x + middle + middle + rows + x + rows + y + parameters,
    ends: x + y + parameters,
  });
}

/** A tile in the middle of an opaque image. */
export function tileTraffic(device: GPUDevice, file: Uint8Array, name: string, side: number, mode: Mode): Traffic {
  const pool = new BufferPool(device);
  const model = parseSafetensors(file);
  const net = loadCarafeLuma(
    { conv: (weights) => new GpuConv(device, pool, weights) } as Pick<Backend, 'conv'> as Backend,
    model,
  );
  const { inner } = tileHalo(net, false);
  const [width, height] = [side + 2 * inner, side + 2 * inner];
  const image = { data: new Uint8ClampedArray(width * height * 4), width, height };
  const dispatches = record(device, pool, mode, (ops) =>
    tileProgram(ops, net, { image, core: { x: inner, y: inner, width: side, height: side }, alpha: false }),
  );
  const {
    scale,
    groups,
    body,
    head: { cOut: channels },
  } = net;
  const pixels = width * height;
  const feature = 4 * channels * pixels;
  const [luma, chroma, maps, big] = [1, 2, groups, scale ** 2].map((values) => 4 * values * pixels);
  const [rgba, result] = [4 * pixels, 4 * (side * scale) ** 2];
  const compressed = net.compress ? 4 * net.compress.cOut * pixels : 0;
  const parameters = [net.head, ...body, ...(net.compress ? [net.compress] : []), net.encode, net.maps].reduce(
    (sum, { cIn, cOut, k }) => sum + 4 * cOut * (cIn * k * k + 1),
    0,
  );
  const gains = big + luma + 2 * chroma; // luma is read once more, since its means are there only after it
  const lines = rgba + luma + chroma + 2 * chroma + 4 * rgba; // what is read, slopes, and two images of bounds
  const bodyBytes = body.length * 2 * feature; // what is added is the input, which is there already
  const layers =
    rgba +
    luma +
    chroma +
    luma +
    feature +
    bodyBytes +
    feature +
    maps +
    feature +
    2 * compressed +
    maps +
    luma +
    big +
    big +
    gains +
    lines +
    chroma +
    result +
    parameters;
  return total(name, dispatches, { layers, ends: rgba + result + parameters });
}

function record(
  device: GPUDevice,
  pool: BufferPool,
  mode: Mode,
  program: (ops: Ops) => DeviceTensor | DevicePixels,
): DispatchTraffic[] {
  const list = new CommandList({ device, shared: SharedDevice.of(device, texts), ...mode }, pool);
  program(createOps(list));
  const bytes = (storages: readonly Storage[]): number =>
    [...new Set(storages)].reduce((sum, storage) => sum + storage.bytes, 0);
  const dispatches = list.commands.map(
    ({ work: { shader, entryPoint, inputs, outputs, flops = 0 } }): DispatchTraffic => ({
      what: `${shader.name}.${entryPoint}`,
      read: bytes(inputs),
      written: bytes(outputs),
      mflops: flops / 1e6,
    }),
  );
  list.release();
  pool.dispose();
  return dispatches;
}

function total(name: string, dispatches: DispatchTraffic[], minima: { layers: number; ends: number }): Traffic {
  return { name, dispatches, bytes: dispatches.reduce((sum, { read, written }) => sum + read + written, 0), ...minima };
}
