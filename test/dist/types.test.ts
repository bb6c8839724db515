// The types of the packed tarball in the compilers of people who check the types of their libraries, with the
// platform's types and without.
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/ensure.js';
import { pack, type Tarball } from './tarball.js';

const sh = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const tools = new URL('./apps/', import.meta.url).pathname;

// What holds everywhere. A type that has become `any` fails at the lines that have to be errors.
const everywhere = `
import { carafe, CarafeError, createCarafe, createUpscaler, upscale, type Tensor } from 'carafe-web';
import * as core from 'carafe-web/core';
import * as inline from 'carafe-web/inline';
import { createNetwork, type NetworkUpsampler } from 'carafe-web/networks';
import { createInpainter } from 'carafe-web/inpaint';
import * as backward from 'carafe-web/backward';
import { carafeToOnnx } from 'carafe-web/onnx';
import 'carafe-web/networks-worker';
import 'carafe-web/networks-simd.wasm';
import simd from 'carafe-web/simd.wasm';
import relaxed from 'carafe-web/relaxed.wasm';
import bytes from 'carafe-web/models/base-x2.js';
import file from 'carafe-web/models/base-x2.safetensors';
import 'carafe-web/worker';

export async function use(data: Uint8Array, features: Tensor): Promise<number> {
  await using upscaler = await createUpscaler({ scale: 2, model: 'base', wasm: simd });
  const { width } = await upscaler.upscale({ data, width: 1, height: 1 });
  const big = await core.upscale({ data: new Uint8ClampedArray(4), width: 1, height: 1 }, { model: bytes, wasm: relaxed });
  const shared = new Uint8ClampedArray(new SharedArrayBuffer(4));
  await inline.upscale({ data: shared, width: 1, height: 1 }, { model: file });
  for await (const tile of upscaler.tiles(big)) tile.image.data.set([1]);
  const module = await createCarafe({ encode: { weights: features } });
  const { shape } = await module.upsample(await carafe(features, features));
  await module[Symbol.asyncDispose]();
  const half = await module.upsample({ data: new Uint16Array(4), shape }, { size: [1, 1] });
  const bits: Uint16Array = half.data;
  const trainable = await backward.createCarafe({ encode: { weights: features } });
  const { x, encode } = await trainable.backward(features, features);
  carafeToOnnx({ encode: { weights: encode.weights } }).set(new Uint8Array(bits.buffer));
  // @ts-expect-error: the gradient is missing
  await backward.carafeBackward(x, features);
  const upsampler: NetworkUpsampler = 'dysample';
  const fpn = await createNetwork('fpn', data, { prefix: 'neck', order: 'act-conv-norm', upsampler });
  const [level]: Tensor[] = await fpn.run([features]);
  // @ts-expect-error: an option of another network
  await createNetwork('fpn', data, { poolScales: [level.shape[0]] });
  await using inpainter = await createInpainter({ thread: 'inline' });
  const { data: filled }: { data: Uint8ClampedArray } = await inpainter.inpaint(big, new Uint8Array(4));
  // @ts-expect-error: the mask is missing
  await inpainter.inpaint({ data: filled, width: 1, height: 1 });
  try {
    // @ts-expect-error: no such name
    await upscale(big, { backend: 'cuda' });
    // @ts-expect-error: no pixels
    await upscale({ data: [1, 2, 3, 4], width: 1, height: 1 });
    // @ts-expect-error: the model is missing
    await core.createUpscaler({});
  } catch (error) {
    // @ts-expect-error: no such code
    if (error instanceof CarafeError && error.code === 'Nothing') return 0;
  }
  return width + shape[3];
}
`;
const dom = `
import { createUpscaler, toBlob, toImageBitmap } from 'carafe-web';

export async function use(blob: Blob, canvas: HTMLCanvasElement, image: HTMLImageElement, signal: AbortSignal): Promise<ImageData> {
  const upscaler = await createUpscaler({ signal, model: new URL('model.safetensors', location.href), workerUrl: '/worker.js' });
  await upscaler.upscale(blob);
  await upscaler.upscale(canvas.getContext('2d')!.getImageData(0, 0, 1, 1), { signal, onProgress: ({ done }) => done });
  const result = await upscaler.upscale(image);
  canvas.getContext('2d')!.drawImage(await toImageBitmap(result), 0, 0);
  await createImageBitmap(await toBlob(result, 'image/jpeg', 0.9));
  // @ts-expect-error: an event is no image
  await upscaler.upscale(new Event('load'));
  return new ImageData(result.data, result.width, result.height);
}
`;
const node = `
import { readFile } from 'node:fs/promises';
import { createUpscaler } from 'carafe-web';

export async function use(signal: AbortSignal): Promise<void> {
  const model = await readFile(new URL('model.safetensors', import.meta.url));
  const upscaler = await createUpscaler({ model, signal, workerUrl: new URL('worker.js', import.meta.url) });
  await upscaler.upscale({ data: Buffer.alloc(4), width: 1, height: 1 });
}
`;
const webgpu = `
import { createUpscaler, loadCarafe } from 'carafe-web';
import { createGpuCarafe } from 'carafe-web/webgpu';

export async function use(device: GPUDevice): Promise<void> {
  await createUpscaler({ device });
  const carafe = createGpuCarafe(device, await loadCarafe(new Uint8Array(9)));
  const { record, bytes } = await carafe.prepare([1, 8, 4, 4]);
  const buffer = device.createBuffer({ size: bytes, usage: 0x80 });
  record(device.createCommandEncoder(), buffer, buffer);
  // @ts-expect-error: a texture is no buffer
  record(device.createCommandEncoder(), device.createTexture({ size: [1], format: 'r32float', usage: 8 }), buffer);
  // @ts-expect-error: a buffer is no device
  await createUpscaler({ device: device.createBuffer({ size: 4, usage: 1 }) });
}
`;

interface Setup {
  readonly files: Readonly<Record<string, string>>;
  readonly lib: readonly string[];
  readonly types: readonly string[];
  readonly compilers: readonly string[];
}
const ALL = ['5.4', '5.9', '6', '7'];
const disposable = ['ES2022', 'ESNext.Disposable']; // for `await using`
const SETUPS: Record<string, Setup> = {
  'without DOM': { files: { 'app.ts': everywhere }, lib: disposable, types: [], compilers: ALL },
  'with DOM': {
    files: { 'app.ts': everywhere, 'dom.ts': dom },
    lib: [...disposable, 'DOM'],
    types: [],
    compilers: ALL,
  },
  'with @types/node': { files: { 'node.ts': node }, lib: ['ES2022'], types: ['node'], compilers: ['5.9', '7'] },
  'with @webgpu/types': {
    files: { 'gpu.ts': webgpu },
    lib: ['ES2022', 'DOM'],
    types: ['@webgpu/types'],
    compilers: ['5.9'],
  },
  'with the DOM’s WebGPU': { files: { 'gpu.ts': webgpu }, lib: ['ES2022', 'DOM'], types: [], compilers: ['7'] },
};

let tarball: Tarball;
beforeAll(() => {
  ensurePackages(tools);
  tarball = pack();
}, 600_000);
afterAll(() => tarball?.remove());

describe.each(Object.entries(SETUPS))('%s', (name, { files, lib, types, compilers }) => {
  test.each(compilers)('TypeScript %s', async (version) => {
    const folder = tarball.app(`types ${name} ${version}`);
    for (const type of types) {
      const installed = type.startsWith('@') ? type : `@types/${type}`;
      mkdirSync(join(folder, 'node_modules', installed, '..'), { recursive: true });
      symlinkSync(join(root, 'node_modules', installed), join(folder, 'node_modules', installed));
    }
    const compilerOptions = {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      lib,
      types,
    };
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const output = await sh(process.execPath, [join(tools, `node_modules/typescript${version}/bin/tsc`)], {
      cwd: folder,
    }).then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    );
    expect(output).toBe('');
  });
});

const bin = (path: string): string => join(tools, 'node_modules', path);
test('publint has nothing to say', async () => {
  const { stdout } = await sh(process.execPath, [bin('publint/src/cli.js'), tarball.file, '--strict'], {
    env: { ...process.env, NO_COLOR: '1' },
  });
  expect(stdout).toContain('All good!');
});

test('are the types wrong? no, for ES modules', async () => {
  // The rest of its strict profile asks for a second build in CommonJS, and for node10, which knows no exports.
  const esm = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'];
  const attw = [bin('@arethetypeswrong/cli/dist/index.js'), tarball.file, ...esm, '--format', 'ascii'];
  const { stdout } = await sh(
    process.execPath,
    attw, // rejects if there is a problem
    { env: { ...process.env, NO_COLOR: '1' } },
  );
  for (const entry of ['core', 'inline', 'worker', 'simd.wasm', 'relaxed.wasm'])
    expect(stdout).toContain(`carafe-web/${entry}`);
});
