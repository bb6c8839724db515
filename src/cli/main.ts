#!/usr/bin/env node
// carafe-web photo.jpg [...]: writes photo@2x.png beside each photo and says what it took. Files are decoded and encoded by sharp;
// the pixels between go through the public API, in a worker.
import { constants } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type sharp from 'sharp';
import { CarafeError, createUpscaler, type BackendName, type RawImage, type Upscaler } from '../index.js';

const USAGE = `Usage: carafe-web [options] photo [photo ...]
Writes photo@2x.png (or @3x, @4x) beside each photo.

  -s, --scale N          2 (default), 3 or 4
  -m, --model NAME       base (default), small, large, small-web, base-web, large-web or a .safetensors file
  -o, --output FILE      where to write (one photo only); the extension picks the format
  --backend NAME         auto (default), wasm, webgpu or reference
  --tile N               side of a tile in input pixels
  --workers N            workers that share the photo
  -h, --help             this text`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o' },
      scale: { type: 'string', short: 's' },
      model: { type: 'string', short: 'm' },
      backend: { type: 'string' },
      tile: { type: 'string' },
      workers: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length === 0) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  if (values.output && positionals.length > 1)
    throw new CarafeError('InvalidOption', 'Expected one photo for "output", got several');
  const codec = await loadSharp();
  const upscaler = await createUpscaler({
    ...(values.scale && { scale: Number(values.scale) as 2 }),
    ...(values.model && {
      model: values.model.endsWith('.safetensors') ? pathToFileURL(values.model) : (values.model as 'base'),
    }),
    ...(values.backend && { backend: values.backend as BackendName }),
    ...(values.tile && { tile: Number(values.tile) }),
    ...(values.workers && { workers: Number(values.workers) }),
  });
  try {
    for (const photo of positionals) await upscaleFile(codec, upscaler, photo, values.output);
  } finally {
    upscaler.dispose();
  }
}

async function upscaleFile(codec: typeof sharp, upscaler: Upscaler, photo: string, output?: string): Promise<void> {
  const { scale } = upscaler.info;
  const target = output ?? join(dirname(photo), `${basename(photo, extname(photo))}@${scale}x.png`);
  await access(dirname(target), constants.W_OK).catch((cause) => {
    throw unwritable(target, cause);
  }); // before the work, not after it
  const image = await decode(codec, photo);
  const start = performance.now();
  const big = await upscaler.upscale(
    image,
    process.stderr.isTTY ? { onProgress: ({ done, total }) => process.stderr.write(`\r${done}/${total} tiles `) } : {},
  );
  const milliseconds = performance.now() - start;
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const { backend, details, model, thread, workers } = upscaler.info;
  await encode(codec, big, target);
  const megapixels = (big.width * big.height) / 1e6;
  console.log(`${photo}  ${image.width}x${image.height} -> ${target}  ${big.width}x${big.height}
  backend      ${backend} (${details}), ${thread === 'worker' ? `${workers} worker${workers > 1 ? 's' : ''}` : 'inline'}
  model        ${model}
  time         ${milliseconds.toFixed(0)} ms, ${(megapixels / (milliseconds / 1000)).toFixed(2)} megapixels/s (output)
  peak memory  ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
}

async function decode(codec: typeof sharp, photo: string): Promise<RawImage> {
  try {
    const { data, info } = await codec(photo, { limitInputPixels: 2 ** 29 })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return {
      data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.length),
      width: info.width,
      height: info.height,
    };
  } catch (cause) {
    throw new CarafeError(
      'UnsupportedImage',
      `Expected an image file for "photo", got ${JSON.stringify(photo)}: ${(cause as Error).message.split('\n')[0]}`,
    );
  }
}

/** Through a file beside the target, so that nothing is ever written half. */
async function encode(codec: typeof sharp, { data, width, height }: RawImage, target: string): Promise<void> {
  const partial = join(dirname(target), `.${process.pid}-${basename(target)}`);
  let picture = codec(data, { raw: { width, height, channels: 4 } });
  if (data.every((value, i) => i % 4 !== 3 || value === 255)) picture = picture.removeAlpha();
  try {
    await picture.toFile(partial);
    await rename(partial, target);
  } catch (cause) {
    await rm(partial, { force: true });
    throw unwritable(target, cause as Error);
  }
}

function unwritable(target: string, cause: Error): CarafeError {
  return new CarafeError(
    'InvalidOption',
    `Expected a file that can be written for "output", got ${JSON.stringify(target)}: ${cause.message.split('\n')[0]}`,
  );
}

async function loadSharp(): Promise<typeof sharp> {
  try {
    return (await import('sharp')).default;
  } catch {
    throw new CarafeError(
      'BackendUnavailable',
      'Expected the package "sharp", which reads and writes image files, got none: npm install sharp',
    );
  }
}

main().catch((error: Error & { code?: string }) => {
  console.error(
    error instanceof CarafeError || error.code?.startsWith('ERR_PARSE_ARGS')
      ? `${error.code}: ${error.message}`
      : error,
  );
  process.exitCode = 1;
});
