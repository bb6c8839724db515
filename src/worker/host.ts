// The worker's entry: real engines behind comlink, in a browser's module worker or a Node worker thread.
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { CarafeEngine } from '../engine/carafe-engine.js';
import { UpscalerEngine } from '../engine/upscaler-engine.js';

import { HANDSHAKE } from './handshake.js';
import { answer, type Host, moving } from './wire.js';

let upscaler: UpscalerEngine;
let carafe: CarafeEngine;

const host: Host = {
  ready: () => HANDSHAKE,
  openUpscaler: (spec) => answer(async () => (upscaler = await UpscalerEngine.create(spec)).info),
  runTiles: (jobs) =>
    answer(
      async () => ({ images: await upscaler.runTiles(jobs), info: upscaler.info }),
      ({ images }) => images.flatMap(({ data }) => moving(data)),
    ),
  openCarafe: (spec) => answer(async () => (carafe = await CarafeEngine.create(spec)).info),
  predictKernels: (x) =>
    answer(
      () => carafe.predictKernels(x),
      ({ data }) => moving(data),
    ),
  upsample: (x, into) =>
    answer(
      () => carafe.upsample(x, into),
      ({ data }) => moving(data),
    ),
};

const parentPort = globalThis.process?.getBuiltinModule?.('node:worker_threads')?.parentPort;
Comlink.expose(host, parentPort ? nodeEndpoint(parentPort) : undefined);
