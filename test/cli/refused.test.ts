// What cannot be done is said before the work, in one line, and leaves nothing behind.
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadCodec, reason } from '../../src/cli/codec.js';
import { encode } from '../../src/cli/encode.js';
import { readHeader } from '../../src/cli/header.js';
import { Raster } from '../../src/cli/raster.js';
import { png } from './png.js';
import { picture, rgba, sandbox } from './support.js';

const { folder, path, run } = sandbox();

beforeAll(async () => {
  const good = await picture(96, 64).jpeg({ quality: 90 }).toBuffer();
  await writeFile(path('photo.jpg'), good);
  await writeFile(path('cut.jpg'), good.subarray(0, Math.floor(good.length * 0.8)));
  await writeFile(path('cut.png'), (await picture(96, 64).png().toBuffer()).subarray(0, 2000));
  await writeFile(path('notes.txt'), 'not a picture');
  await writeFile(path('empty.jpg'), '');
  await writeFile(path('page.jpg'), '%PDF-1.4\n');
  await writeFile(path('taken.jpg'), good);
  await mkdir(path('taken@2x.jpg'));
  await writeFile(path('8192x1.png'), png({ width: 8192, height: 1, depth: 8, type: 0 }, Buffer.alloc(8193)));
  await writeFile(path('32751x1.png'), png({ width: 32751, height: 1, depth: 8, type: 0 }, Buffer.alloc(32752)));
  await writeFile(path('bomb.png'), png({ width: 23000, height: 23000, depth: 1, type: 0 }, Buffer.alloc(9)));
});

describe('one line, nothing written', () => {
  test.each<[string, string[], number, string]>([
    ['a file that is no picture', ['notes.txt'], 1, 'UnsupportedImage: Expected a picture, got "notes.txt": '],
    ['a file that is not there', ['none.jpg'], 1, '"none.jpg": ENOENT'],
    ['an empty file', ['empty.jpg'], 1, '"empty.jpg": it is empty'],
    ['a PDF', ['page.jpg'], 1, '"page.jpg": Input file contains unsupported image format'],
    ['a truncated JPEG', ['cut.jpg'], 1, '"cut.jpg": VipsJpeg: premature end of JPEG image'],
    ['a truncated PNG', ['cut.png'], 1, '"cut.png": '],
    ['a URL', ['https://127.0.0.1:9/x.jpg'], 1, 'it is a URL: download it first'],
    ['a folder that is not there', ['photo.jpg', '-o', 'none/big.png'], 1, '"none/big.png": ENOENT'],
    ['a folder where the result would be', ['taken.jpg'], 1, '"taken@2x.jpg": it is a folder'],
    ['HEIC, which is not AVIF', ['photo.jpg', '-o', 'x.heic'], 2, '"output", got "x.heic"'],
    ['an unknown extension', ['photo.jpg', '-o', 'x.xyz'], 2, '"output", got "x.xyz"'],
    ['no extension', ['photo.jpg', '-o', 'x'], 2, '"output", got "x"'],
    ['BMP, which is only read', ['photo.jpg', '-o', 'x.bmp'], 2, '"output", got "x.bmp"'],
    [
      'a format and another extension',
      ['photo.jpg', '-o', 'x.png', '-f', 'jpeg'],
      2,
      'png, as "x.png" says for "format"',
    ],
    ['a format that is none', ['photo.jpg', '-f', 'jxl'], 2, '"format", got "jxl"'],
    [
      'a WebP over 16,383',
      ['8192x1.png', '-o', 'x.webp'],
      1,
      'ImageTooLarge: Expected a result of at most 16383 pixels a side in webp, got 16384x2',
    ],
    [
      'a JPEG over 65,500',
      ['32751x1.png', '-o', 'x.jpg'],
      1,
      'ImageTooLarge: Expected a result of at most 65500 pixels a side in jpeg, got 65502x2',
    ],
    ['an AVIF over 16,384', ['32751x1.png', '-f', 'avif'], 1, 'at most 16384 pixels a side'],
    [
      'a small file with a huge picture, by its header',
      ['bomb.png'],
      1,
      'ImageTooLarge: Expected a result of at most 2 gigapixels in all, got 46000x46000',
    ],
    ['quality 0', ['photo.jpg', '-q', '0'], 2, 'an integer of 1..100 for "quality", got "0"'],
    ['a background that is none', ['photo.jpg', '--background', 'blue-ish'], 2, '"background", got "blue-ish"'],
    ['a tile size that is none', ['photo.jpg', '--tile', 'x'], 2, 'a positive integer for "tile", got "x"'],
    ['a tile size too large', ['photo.jpg', '--tile', '9999'], 2, 'an integer of 8..2048 for "tile", got 9999'],
    ['jobs that are none', ['photo.jpg', '--jobs', '0'], 2, 'a positive integer for "jobs"'],
    ['a backend that is none', ['photo.jpg', '--backend', 'cuda'], 2, 'Expected "auto", "webgpu", "wasm", "reference"'],
    ['a backend that is not here', ['photo.jpg', '--backend', 'webgpu'], 1, 'BackendUnavailable: '],
    ['a scale that is none', ['photo.jpg', '--scale', '5'], 2, 'InvalidOption: Expected 2'],
    ['a model that is none', ['photo.jpg', '--model', 'huge'], 2, 'InvalidOption: Expected "tiny", "small", "base"'],
    ['a model file that is not there', ['photo.jpg', '--model', 'x.safetensors'], 2, 'a file that exists for "model"'],
    ['an option that is none', ['--fast'], 2, 'ERR_PARSE_ARGS_UNKNOWN_OPTION'],
    ['a file that looks like an option', ['-dash.jpg'], 2, 'ERR_PARSE_ARGS_UNKNOWN_OPTION'],
  ])('%s', async (_, args, code, message) => {
    const before = await readdir(folder);
    const got = await run(...args);
    expect(got.stderr).toContain(message);
    expect([got.code, got.stdout]).toEqual([code, '']);
    expect(got.stderr.trim().split('\n')).toHaveLength(1);
    expect(await readdir(folder)).toEqual(before);
  });
});

test.skipIf(process.platform !== 'linux')('a full disk is said, in one line', async () => {
  const codec = await loadCodec();
  const header = await readHeader(codec, { name: 'photo.jpg', path: path('photo.jpg') });
  const raster = Raster.create(() => path('full.v'), { width: 96, height: 64, bands: 3, deep: false });
  raster.close();
  const error = await encode(codec, raster, header, { format: 'jpeg' }, '/dev/full').catch((thrown) => thrown);
  expect(reason(error)).toBe('/dev/full: write error (No space left on device)');
});

test('a decoder’s warning is a warning: a JPEG with a bad SOS byte, as some cameras write it, is exact', async () => {
  const good = await picture(96, 64).jpeg({ quality: 90 }).toBuffer();
  const bad = Buffer.from(good);
  const scan = bad.indexOf(Buffer.from([0xff, 0xda]));
  bad[scan + 6 + 2 * bad[scan + 4]] = 0; // the end of the spectral selection
  await writeFile(path('good.jpg'), good);
  await writeFile(path('samsung.jpg'), bad);
  await writeFile(path('trailing.jpg'), Buffer.concat([good, Buffer.alloc(5000, 7)])); // a motion photo
  const { code, stderr } = await run('good.jpg', 'samsung.jpg', 'trailing.jpg', '-o', 'warned/', '-f', 'png');
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^samsung\.jpg: VipsJpeg: Invalid SOS parameters.*\n$/)]);
  const want = await rgba(path('warned/good@2x.png'));
  for (const name of ['samsung', 'trailing']) expect(await rgba(path(`warned/${name}@2x.png`))).toEqual(want);
});

describe('the file that is written', () => {
  const mode = async (name: string) => ((await stat(path(name))).mode & 0o777).toString(8);

  test('is as private as the picture, or as the one that it replaces', async () => {
    await picture().png().toFile(path('private.png'));
    await chmod(path('private.png'), 0o600);
    expect((await run('private.png')).code).toBe(0);
    expect(await mode('private@2x.png')).toBe('600');
    await chmod(path('private@2x.png'), 0o640);
    expect((await run('private.png', '--force')).code).toBe(0);
    expect(await mode('private@2x.png')).toBe('640');
  });

  test('is behind a link, which stays one', async () => {
    await mkdir(path('behind'));
    await writeFile(path('behind/real.png'), 'old');
    await symlink('behind/real.png', path('link.png'));
    await symlink('behind/new.png', path('dangling.png'));
    expect((await run('photo.jpg', '-o', 'link.png')).code).toBe(1);
    expect((await run('photo.jpg', '-o', 'link.png', '--force')).code).toBe(0);
    expect((await run('photo.jpg', '-o', 'dangling.png')).code).toBe(0);
    expect([await readlink(path('link.png')), await readlink(path('dangling.png'))]).toEqual([
      'behind/real.png',
      'behind/new.png',
    ]);
    for (const name of ['real.png', 'new.png']) expect((await sharp(path('behind', name)).metadata()).width).toBe(192);
  });

  test.each([
    'with space',
    'テスト♥',
    'a#b?c&d',
    '100%25',
    'new\nline',
    'page[1]',
    '{x}',
    '$HOME',
    'back\\slash',
    ' lead',
    'e\u0301',
    'x'.repeat(248),
  ])('may be called %j', async (stem) => {
    await writeFile(path(`${stem}.png`), await picture(8, 8).png().toBuffer());
    const { code, stderr } = await run(`${stem}.png`);
    expect([code, stderr]).toEqual([0, '']);
    expect((await sharp(await readFile(path(`${stem}@2x.png`))).metadata()).width).toBe(16);
  });

  test('may not have a name of more than 255 bytes: said before the work', async () => {
    const name = `${'x'.repeat(250)}.jpg`;
    await writeFile(path(name), await picture(8, 8).jpeg().toBuffer());
    const { code, stderr } = await run(name);
    expect([code, stderr]).toEqual([1, expect.stringContaining('257 bytes, more than the 255')]);
    expect((await run(name, '-o', 'short.jpg')).code).toBe(0);
  });

  test('after -- a name may begin with a dash', async () => {
    await picture(8, 8).jpeg().toFile(path('-dash.jpg'));
    expect((await run('--', '-dash.jpg')).code).toBe(0);
  });
});
