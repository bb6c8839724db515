// npm run pictures: the picture of README.md, docs/crops.webp: pieces of six small images, enlarged twice by bicubic, by pica's Lanczos and by the
// default of this package, side by side at 200 %. The photographs are free ones of Debian packages, fetched by apt; the rest is drawn here.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { upscale } from 'carafe-web';
import { root } from '../scripts/ensure.js';
import { imresize } from './imresize.js';
import { ensurePeers } from './peers/ensure.js';
import { jpeg } from './quality.js';

ensurePeers();
const { openPica } = await import('./peers/pica.js');
const pica = openPica();

const WIDTH = 120; // of a piece, in pixels of the enlarged image
const HEIGHT = 90;
const ZOOM = 2;
const LABEL = 22;
const GAP = 12;

/** @typedef {{ data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number, channels: number }} Picture */

const folder = mkdtempSync(join(tmpdir(), 'carafe-web-pictures-'));
const rgba = async (image) => {
  const { data, info } = await image.toColourspace('srgb').ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height, channels: 4 };
};
const raw = ({ data, width, height }) => sharp(Buffer.from(data), { raw: { width, height, channels: 4 } });
const svg = (width, height, body) =>
  rgba(sharp(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${body}</svg>`)));

/** A photograph at half its size, as a JPEG. */
async function photograph(file, quality) {
  const image = await rgba(sharp(file));
  const width = image.width & ~1;
  const height = image.height & ~1;
  const even = await rgba(raw(image).extract({ left: 0, top: 0, width, height }));
  return jpeg(imresize(even, width / 2, height / 2), quality);
}

try {
  execFileSync('apt-get', ['download', '-q', 'python3-skimage', 'python3-scipy'], { cwd: folder, stdio: 'ignore' });
  for (const name of ['skimage', 'scipy'])
    execFileSync('sh', ['-c', `dpkg -x python3-${name}_*.deb .`], { cwd: folder });
  const packages = join(folder, 'usr/lib/python3/dist-packages');
  execFileSync('sh', ['-c', `bzip2 -dc < ${packages}/scipy/misc/face.dat > face.rgb`], { cwd: folder });
  const raccoon = await sharp(readFileSync(join(folder, 'face.rgb')), {
    raw: { width: 1024, height: 768, channels: 3 },
  })
    .png()
    .toBuffer();
  const data = join(packages, 'skimage/data');
  const words = 'font-family="DejaVu Sans" font-size';

  /** Name, small image, and where the piece begins in it. @type {[string, Picture, number, number][]} */
  const kinds = [
    ['fur, JPEG 75', await photograph(raccoon, 75), 215, 12],
    ['face, JPEG 75', await photograph(join(data, 'astronaut.png'), 75), 92, 40],
    ['foliage, JPEG 75', await photograph(raccoon, 75), 100, 225],
    [
      'text',
      await svg(
        80,
        60,
        `<rect width="80" height="60" fill="#fff"/><text x="4" y="14" ${words}="9" fill="#111">0 warnings</text>
         <text x="4" y="27" ${words}="9" fill="#cf222e">6 errors</text><text x="4" y="40" ${words}="9" fill="#0550ae">a link, 9 px</text>`,
      ),
      2,
      2,
    ],
    [
      'line art',
      await svg(
        80,
        60,
        `<rect width="80" height="60" fill="#fff"/><g fill="none" stroke="#000" stroke-width="1.3"><circle cx="30" cy="26" r="18"/><path d="M22 22q3-4 6 0M33 22q3-4 6 0M22 33q8 7 16 0M12 20C14 4 44 2 48 20"/><path d="M50 6l20 40M54 6l20 40M58 6l20 40" stroke-width=".8"/></g>`,
      ),
      6,
      2,
    ],
    [
      'logo',
      await svg(
        80,
        60,
        `<rect width="80" height="60" fill="#0b3d91"/><path d="M12 38L30 8l18 30z" fill="#ffd23f"/><circle cx="48" cy="28" r="11" fill="#ee4266"/><path d="M8 44h56" stroke="#fff" stroke-width="2"/>`,
      ),
      4,
      2,
    ],
  ];
  /** @type {[string, (image: Picture) => any][]} */
  const ways = [
    ['bicubic', (image) => imresize(image, 2 * image.width, 2 * image.height).data],
    ['Lanczos', (image) => pica.run(image)],
    ['carafe-web', async (image) => (await upscale(image)).data],
  ];

  const pieces = [];
  for (const [k, [kind, image, x, y]] of kinds.entries()) {
    for (const [w, [way, enlarge]] of ways.entries()) {
      const big = { data: await enlarge(image), width: 2 * image.width, height: 2 * image.height };
      const piece = await raw(big)
        .extract({ left: 2 * x, top: 2 * y, width: WIDTH, height: HEIGHT })
        .resize(ZOOM * WIDTH, ZOOM * HEIGHT, { kernel: 'nearest' })
        .png()
        .toBuffer();
      const left = ((k % 2) * ways.length + w) * ZOOM * WIDTH + (k % 2) * GAP;
      const top = Math.floor(k / 2) * (ZOOM * HEIGHT + LABEL);
      const label = `<svg xmlns="http://www.w3.org/2000/svg" width="${ZOOM * WIDTH}" height="${LABEL}"><text x="2" y="15" ${words}="12" fill="#555">${w === 0 ? `${kind}: ` : ''}${way}</text></svg>`;
      pieces.push({ input: Buffer.from(label), left, top }, { input: piece, left, top: top + LABEL });
    }
  }
  await sharp({
    create: {
      width: 6 * ZOOM * WIDTH + GAP,
      height: 3 * (ZOOM * HEIGHT + LABEL),
      channels: 3,
      background: '#fff',
    },
  })
    .composite(pieces)
    .webp({ quality: 92 })
    .toFile(join(root, 'docs/crops.webp'));
} finally {
  rmSync(folder, { recursive: true });
}
