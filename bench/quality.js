// npm run quality -- folder [--scale 2] [--model base | file.safetensors] [--jpeg 75] [--noise 5] [--restore auto] [--pixels] [--backend wasm]: what
// the package's upscaling is worth on a folder of images, with small images as they are, with Gaussian noise (in each of R, G and B by itself), as
// JPEGs of a quality (chroma at half resolution, with --full-chroma not), or both, in this order. --restore: a position on the dial or auto, which
// sees a JPEG's file, or with --pixels its pixels only.
// Protocol of the literature: the low-resolution image is MATLAB's bicubic; PSNR and SSIM are on Y (BT.601, 16..235, rounded) with
// `scale` pixels shaved off each side. Everything goes through the public API: 8-bit RGBA in, 8-bit RGBA out.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../test/random.js';
import { imresize } from './imresize.js';

/** HR cropped to a multiple of scale, and its low-resolution image. */
export async function readPair(file, scale) {
  const { default: sharp } = await import('sharp');
  const { data, info } = await sharp(file)
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const width = info.width - (info.width % scale);
  const height = info.height - (info.height % scale);
  const original = { data: new Uint8ClampedArray(width * height * 4), width, height, channels: 4 };
  for (let y = 0; y < height; y++)
    original.data.set(data.subarray(y * info.width * 4, (y * info.width + width) * 4), y * width * 4);
  return { original, small: imresize(original, width / scale, height / scale) };
}

/** RGB through a JPEG file, which comes with it: what most photographs on the web went through. */
export async function jpeg({ data, width, height }, quality, chromaSubsampling = '4:2:0') {
  const { default: sharp } = await import('sharp');
  const file = await sharp(data, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .jpeg({ quality, chromaSubsampling })
    .toBuffer();
  const pixels = new Uint8ClampedArray(await sharp(file).ensureAlpha().raw().toBuffer());
  return { data: pixels, width, height, channels: 4, file };
}

/** Gaussian noise in each of R, G and B by itself; the same at every call. */
export function noisy({ data, width, height }, sigma) {
  const random = new Random(width * 10007 + height);
  return {
    data: data.map((v, i) => (i % 4 === 3 ? v : Math.round(v + sigma * random.normal()))),
    width,
    height,
    channels: 4,
  };
}

/** dB between the Y planes of two RGBA images of one size. */
export function psnr(a, b, shave) {
  let sum = 0;
  let count = 0;
  const [ya, yb] = [luma(a), luma(b)];
  for (let y = shave; y < a.height - shave; y++) {
    for (let x = shave; x < a.width - shave; x++) {
      sum += (ya[y * a.width + x] - yb[y * a.width + x]) ** 2;
      count++;
    }
  }
  return 10 * Math.log10((255 * 255 * count) / sum);
}

/** Mean structural similarity (Wang et al. 2004): 11x11 Gaussian window, sigma 1.5, whole windows only. */
export function ssim(a, b, shave) {
  const width = a.width - 2 * shave;
  const height = a.height - 2 * shave;
  const crop = (y) =>
    Float64Array.from(
      { length: width * height },
      (_, i) => y[(Math.floor(i / width) + shave) * a.width + (i % width) + shave],
    );
  const [x, y] = [crop(luma(a)), crop(luma(b))];
  const blur = (values) => gaussian(values, width, height);
  const [mx, my] = [blur(x), blur(y)];
  const [xx, yy, xy] = [blur(x.map((v) => v * v)), blur(y.map((v) => v * v)), blur(x.map((v, i) => v * y[i]))];
  const c1 = (0.01 * 255) ** 2;
  const c2 = (0.03 * 255) ** 2;
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const [vx, vy, cov] = [xx[i] - mx[i] ** 2, yy[i] - my[i] ** 2, xy[i] - mx[i] * my[i]];
    sum += ((2 * mx[i] * my[i] + c1) * (2 * cov + c2)) / ((mx[i] ** 2 + my[i] ** 2 + c1) * (vx + vy + c2));
  }
  return sum / mx.length;
}

function gaussian(values, width, height) {
  const weights = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / 4.5));
  const total = weights.reduce((s, w) => s + w);
  const across = new Float64Array(height * (width - 10));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width - 10; x++)
      for (let k = 0; k < 11; k++) across[y * (width - 10) + x] += (weights[k] / total) * values[y * width + x + k];
  const out = new Float64Array((height - 10) * (width - 10));
  for (let y = 0; y < height - 10; y++)
    for (let x = 0; x < width - 10; x++)
      for (let k = 0; k < 11; k++)
        out[y * (width - 10) + x] += (weights[k] / total) * across[(y + k) * (width - 10) + x];
  return out;
}

function luma({ data, width, height }) {
  return Float64Array.from({ length: width * height }, (_, i) =>
    Math.round(16 + (65.481 * data[4 * i] + 128.553 * data[4 * i + 1] + 24.966 * data[4 * i + 2]) / 255),
  );
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scale: { type: 'string', default: '2' },
      model: { type: 'string', default: 'base' },
      jpeg: { type: 'string' },
      'full-chroma': { type: 'boolean' },
      noise: { type: 'string' },
      restore: { type: 'string', default: 'auto' },
      pixels: { type: 'boolean' },
      backend: { type: 'string', default: 'wasm' },
    },
  });
  const scale = Number(values.scale);
  const { createUpscaler } = await import('carafe-web');
  /** @type {any} */ // what it does not know, createUpscaler refuses
  const options = {
    scale,
    backend: values.backend,
    model: values.model.endsWith('.safetensors') ? pathToFileURL(values.model) : values.model,
    restore: values.restore === 'auto' ? 'auto' : Number(values.restore),
  };
  const upscaler = await createUpscaler(options);
  const { backend, details, model } = upscaler.info;
  const worse = [
    ...(values.noise ? [`, small images with noise of sigma ${values.noise}`] : []),
    ...(values.jpeg ? [`, small images as JPEG of quality ${values.jpeg}`] : []),
  ];
  console.log(
    `model ${model}, restore ${values.restore}, backend ${backend} (${details}), x${scale}${worse.join('')}\n\n| folder | images | bicubic PSNR | SSIM | ${model} PSNR | SSIM | restore |\n|---|---|---|---|---|---|---|`,
  );
  for (const folder of positionals) {
    const files = readdirSync(folder)
      .filter((name) => /\.(png|jpe?g|bmp|tiff?|webp)$/i.test(name))
      .sort();
    const sums = [0, 0, 0, 0];
    const positions = [];
    for (const name of files) {
      const { original, small: clean } = await readPair(join(folder, name), scale);
      const grainy = values.noise ? noisy(clean, Number(values.noise)) : clean;
      const { file, ...small } = values.jpeg
        ? await jpeg(grainy, Number(values.jpeg), values['full-chroma'] ? '4:4:4' : '4:2:0')
        : { ...grainy, file: undefined };
      const big = await upscaler.upscale(small, values.pixels ? {} : { file });
      positions.push(big.restore.value);
      for (const [i, image] of [imresize(small, original.width, original.height), big].entries()) {
        sums[2 * i] += psnr(original, image, scale) / files.length;
        sums[2 * i + 1] += ssim(original, image, scale) / files.length;
      }
    }
    console.log(
      `| ${folder} | ${files.length} | ${sums[0].toFixed(2)} | ${sums[1].toFixed(4)} | ${sums[2].toFixed(2)} | ${sums[3].toFixed(4)} | ${Math.min(...positions)}..${Math.max(...positions)} |`,
    );
  }
  upscaler.dispose();
}

if (process.argv[1] === import.meta.filename) await main();
