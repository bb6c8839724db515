// npm run perceptual -- SET14 [--scale 2] [--jpeg 75]: scores made for the eye beside PSNR and SSIM, of the package's
// models, bicubic, pica and esrgan-slim on a folder of images. Butteraugli (its 3-norm) and SSIMULACRA are distances:
// less is better. They come from Debian's libjxl-devtools.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import sharp from 'sharp';
import { createUpscaler } from 'carafe-web';
import { ensureDebian } from '../scripts/ensure.js';
import { imresize } from './imresize.js';
import { ensurePeers } from './peers/ensure.js';
import { jpeg, psnr, readPair, ssim } from './quality.js';

ensureDebian({ '/usr/bin/butteraugli_main': 'libjxl-devtools' });
ensurePeers();
const sh = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jpeg: { type: 'string' }, scale: { type: 'string', default: '2' } },
});
const scale = /** @type {2 | 3 | 4} */ (Number(values.scale)); // another one createUpscaler refuses
const xl = new URL(`../models/xl-x${scale}.safetensors`, import.meta.url);
/** By name, `xl` as a file where there is one: it is none of the built-in ones. @type {Record<string, string | URL>} */
const models = {
  ...Object.fromEntries(['tiny', 'small', 'base', 'large'].map((name) => [name, name])),
  ...(existsSync(xl) ? { xl } : {}),
};

const { openEsrganSlim } = await import('./peers/esrgan.js');
const { openPica } = await import('./peers/pica.js');
const pica = openPica(scale);
const esrgan = await openEsrganSlim(scale);
const upscalers = await Promise.all(
  Object.values(models).map((model) => createUpscaler({ model, scale, backend: 'wasm' })),
);

/** What enlarges, by name: a small image -> RGBA of `scale` times its size. */
const ways = {
  bicubic: (small) => imresize(small, scale * small.width, scale * small.height).data,
  'pica, Lanczos': (small) => pica.run(small),
  'UpscalerJS, esrgan-slim': async ({ data, width, height }) => {
    const rgb = Float32Array.from({ length: 3 * width * height }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
    const { data: big } = await esrgan.run(rgb, width, height);
    const pixels = new Uint8ClampedArray(4 * scale ** 2 * width * height).fill(255);
    for (let i = 0; i < big.length; i++) pixels[4 * Math.floor(i / 3) + (i % 3)] = big[i];
    return pixels;
  },
  ...Object.fromEntries(
    Object.keys(models).map((name, i) => [`\`${name}\``, async (small) => (await upscalers[i].upscale(small)).data]),
  ),
};

const folder = mkdtempSync(join(tmpdir(), 'carafe-web-perceptual-'));
const png = async (name, { data, width, height }) => {
  const file = join(folder, `${name}.png`);
  await sharp(Buffer.from(data), { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .png({ compressionLevel: 1 })
    .toFile(file);
  return file;
};

try {
  const head = `| ${values.jpeg ? `JPEG ${values.jpeg}` : 'clean'} | PSNR | SSIM | Butteraugli | SSIMULACRA |`;
  for (const images of positionals) {
    const files = readdirSync(images).filter((name) => /\.(png|bmp)$/i.test(name));
    const sums = Object.fromEntries(Object.keys(ways).map((name) => [name, [0, 0, 0, 0]]));
    for (const file of files) {
      const { original, small: clean } = await readPair(join(images, file), scale);
      const small = values.jpeg ? await jpeg(clean, Number(values.jpeg)) : clean;
      const reference = await png('original', original);
      for (const [name, enlarge] of Object.entries(ways)) {
        const big = { ...original, data: await enlarge(small) };
        const distorted = await png('enlarged', big);
        const [butteraugli, ssimulacra] = await Promise.all([
          sh('butteraugli_main', [reference, distorted]),
          sh('ssimulacra_main', [reference, distorted]),
        ]);
        const scores = [
          psnr(original, big, scale),
          ssim(original, big, scale),
          Number(/3-norm: ([\d.]+)/.exec(butteraugli.stdout)?.[1]),
          Number(ssimulacra.stdout),
        ];
        scores.forEach((score, i) => (sums[name][i] += score / files.length));
      }
    }
    console.log(`${images}: ${files.length} images\n\n${head}\n|---|---|---|---|---|`);
    for (const [name, [p, s, b, m]] of Object.entries(sums))
      console.log(`| ${name} | ${p.toFixed(2)} | ${s.toFixed(4)} | ${b.toFixed(3)} | ${m.toFixed(4)} |`);
  }
} finally {
  rmSync(folder, { recursive: true });
  for (const upscaler of upscalers) upscaler.dispose();
}
