// The command line as a person uses it: what it writes, what it prints, and that nothing is left behind when it cannot.
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

const cli = new URL('../../dist/cli.js', import.meta.url).pathname;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carafe-web-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const pixels = (file: string) => sharp(join(folder, file)).raw().toBuffer({ resolveWithObject: true });

test('photo.jpg -> photo@2x.png beside it, and the figures', async () => {
  await copyFile(new URL('../../examples/sample.jpg', import.meta.url), join(folder, 'photo.jpg'));
  const { code, stdout } = await run('photo.jpg');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /photo\.jpg {2}451x300 -> photo@2x\.png {2}902x600\n {2}backend +wasm \(.*simd\), \d+ workers?\n {2}model +base-x2\n {2}time +\d+ ms, [\d.]+ megapixels\/s \(output\)\n {2}peak memory +\d+ MB/,
  );
  const { info } = await pixels('photo@2x.png');
  expect([info.width, info.height, info.channels]).toEqual([902, 600, 3]);
});

test('--model takes a name or a file', async () => {
  await copyFile(new URL('../../models/small-x2.safetensors', import.meta.url), join(folder, 'mine.safetensors'));
  for (const model of ['small', 'mine.safetensors'])
    expect((await run('photo.jpg', '--model', model)).stdout).toMatch(/\n {2}model +small-x2\n/);
});

test('EXIF orientation is applied once, alpha and grey survive, several photos in one go', async () => {
  const wide = sharp({ create: { width: 20, height: 10, channels: 3, background: '#123456' } });
  await wide.clone().withMetadata({ orientation: 6 }).jpeg().toFile(join(folder, 'turned.jpg'));
  await sharp({ create: { width: 6, height: 5, channels: 4, background: { r: 200, g: 10, b: 10, alpha: 0.5 } } })
    .png()
    .toFile(join(folder, 'clear.png'));
  await wide.clone().greyscale().png().toFile(join(folder, 'grey.png'));
  const { code } = await run('turned.jpg', 'clear.png', 'grey.png');
  expect(code).toBe(0);
  const turned = await pixels('turned@2x.png');
  expect([turned.info.width, turned.info.height]).toEqual([20, 40]);
  const clear = await pixels('clear@2x.png');
  expect([clear.info.channels, ...clear.data.subarray(0, 4)]).toEqual([4, 200, 10, 10, 128]);
  const grey = await pixels('grey@2x.png');
  expect([grey.info.width, grey.data[0], grey.data[0]]).toEqual([40, grey.data[1], grey.data[2]]);
});

test.each([
  ['a file that is no image', ['notes.txt'], 'UnsupportedImage: Expected an image file for "photo", got "notes.txt"'],
  ['a file that is not there', ['none.jpg'], 'UnsupportedImage: Expected an image file for "photo", got "none.jpg"'],
  ['half an image', ['half.png'], 'UnsupportedImage: Expected an image file for "photo", got "half.png"'],
  [
    'a folder that is not there',
    ['photo.jpg', '-o', 'none/big.png'],
    'InvalidOption: Expected a file that can be written for "output", got "none/big.png"',
  ],
  [
    'a tile size that is none',
    ['photo.jpg', '--tile', 'x'],
    'InvalidOption: Expected an integer of 8..2048 for "tile", got NaN',
  ],
  [
    'a backend that is none',
    ['photo.jpg', '--backend', 'cuda'],
    'InvalidOption: Expected "auto", "webgpu", "wasm", "reference"',
  ],
  [
    'a backend that is not here',
    ['photo.jpg', '--backend', 'webgpu'],
    'BackendUnavailable: Expected a backend that runs here for "backend", got webgpu: this runtime has no navigator.gpu',
  ],
  ['a scale that is none', ['photo.jpg', '--scale', '5'], 'InvalidOption: Expected 2'],
  ['a model that is none', ['photo.jpg', '--model', 'huge'], 'InvalidOption: Expected "small", "base"'],
  ['an option that is none', ['--fast'], 'ERR_PARSE_ARGS_UNKNOWN_OPTION'],
])('%s: one line, exit code 1, nothing written', async (_, args, message) => {
  await writeFile(join(folder, 'notes.txt'), 'not an image');
  await writeFile(
    join(folder, 'half.png'),
    (
      await sharp({
        create: {
          width: 64,
          height: 64,
          channels: 3,
          background: '#fff',
          noise: { type: 'gaussian', mean: 128, sigma: 30 },
        },
      })
        .png()
        .toBuffer()
    ).subarray(0, 2000),
  );
  const before = await readdir(folder);
  const { code, stderr, stdout } = await run(...args);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(await readdir(folder)).toEqual(before);
});
