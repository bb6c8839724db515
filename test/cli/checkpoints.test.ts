// carafe-web inspect, convert and explain: what they print and write, and what they refuse.
import { copyFile, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createCarafe, loadCarafe } from 'carafe-web';
import { beforeAll, describe, expect, test } from 'vitest';
import sharp from 'sharp';
import { parseSafetensors } from '../../src/models/safetensors.js';
import { picture, sandbox } from './support.js';

const { folder, path, run } = sandbox();
const golden = (name: string): string => new URL(`../golden/checkpoints/${name}`, import.meta.url).pathname;

beforeAll(async () => {
  for (const name of [
    'mmdet.pth',
    'yolo.pth',
    'ghost.pth',
    'down-encoder-out.pth',
    'freqfusion.pth',
    'einsum.onnx',
    'mmcv.onnx',
    'undilated.onnx',
  ])
    await copyFile(golden(name), path(name));
  await picture(40, 30).png().toFile(path('photo.png'));
  await writeFile(path('taken.safetensors'), 'mine');
});

describe('inspect', () => {
  test('every layer with its place, family and shapes', async () => {
    const { code, stdout } = await run('inspect', 'mmdet.pth');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^neck\.upsample_modules\.0\. {2}mmcv\n {2}x \(n, \d+, h, w\) -> \(n, \d+, 2h, 2w\)\n {2}cMid \d+, encoder \(\d+, \d+, \d, \d\), kUp \d, scale 2/,
    );
    expect(stdout).toMatch(/\nroi_head\.mask_head\.upsample\. {2}mmcv\n/);
    expect((await run('inspect', 'yolo.pth')).stdout).toMatch(
      /^model\.11\. {2}yolo\n(.*\n)* {2}taken for granted: activation silu\n/,
    );
  });

  test('what looks alike is named with the reason; the exit code is 1', async () => {
    const { code, stdout } = await run('inspect', 'freqfusion.pth');
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^fusion\. {2}refused: FreqFusion: /)]);
  });

  test('--json, and ONNX', async () => {
    const { layers, refused } = JSON.parse((await run('inspect', '--json', 'mmdet.pth')).stdout);
    expect([layers.length, refused]).toEqual([3, []]);
    expect(layers[0]).toMatchObject({ prefix: 'neck.upsample_modules.0.', family: 'mmcv', scale: 2 });
    expect((await run('inspect', 'mmcv.onnx')).stdout).toMatch(
      /mmcv::MMCVCARAFE {2}features \S+, kernels \S+, kUp 5, scale 2, groups 2\n$/,
    );
  });
});

describe('convert', () => {
  for (const [name, prefix, file] of [
    ['mmdet.pth', 'neck.upsample_modules.1', 'mmdet'],
    ['yolo.pth', 'model.11', 'yolo'],
    ['ghost.pth', 'model.13.', 'ghost'],
    ['down-encoder-out.pth', '', 'down-encoder-out'],
  ]) {
    test(`${name} as .safetensors is the same layer, and computes what PyTorch did`, async () => {
      const { code, stdout } = await run('convert', name, '-p', prefix, '-o', `${file}.safetensors`);
      expect([code, stdout]).toEqual([0, expect.stringContaining(`${name} -> ${file}.safetensors  `)]);
      const before = await loadCarafe(await readFile(golden(name)), { prefix });
      const after = await loadCarafe(await readFile(path(`${file}.safetensors`)));
      expect(after).toEqual({ ...before, prefix: '', assumed: [] });
      const { tensors } = parseSafetensors(await readFile(golden(`${file}.golden.safetensors`)));
      const [x, y] = ['x', 'y'].map((one) => tensors.get(before.prefix + one)!);
      const module = await createCarafe(after.weights, { ...after.options, backend: 'reference' });
      const got = await module.upsample(x);
      expect(Math.max(...got.data.map((v, i) => Math.abs(v - y.data[i])))).toBeLessThan(1e-4);
    });
  }

  test.each([
    ['mmdet.pth', 'roi_head.mask_head.upsample'],
    ['yolo.pth', 'model.11'],
    ['ghost.pth', 'model.13'],
    ['down-encoder-out.pth', ''],
    ['einsum.onnx', undefined],
    ['mmcv.onnx', undefined],
  ])('%s as ONNX is compared in ONNX Runtime before it is written', async (name, prefix) => {
    const { code, stdout, stderr } = await run(
      'convert',
      name,
      ...(prefix === undefined ? [] : ['-p', prefix]),
      '--onnx',
      '-o',
      `${name}.out.onnx`,
    );
    expect([code, /^(taken for granted: .*\n)*$/.test(stderr)]).toEqual([0, true]);
    const [, difference] = stdout.match(
      /; in ONNX Runtime it differs from carafe-web by (\S+) of the largest value\n$/,
    )!;
    expect(Number(difference)).toBeLessThan(1e-5);
    expect((await readFile(path(`${name}.out.onnx`))).length).toBeGreaterThan(1000);
  });

  test.each<[string, string[], number, string]>([
    [
      'several layers and no prefix',
      ['mmdet.pth', '-o', 'x.safetensors'],
      1,
      'ModelInvalid: Expected one of the 3 layers "neck.',
    ],
    ['a layer that is another operator', ['freqfusion.pth', '-o', 'x.safetensors'], 1, 'FreqFusion'],
    ['an ONNX with another operator', ['undilated.onnx', '--onnx', '-o', 'x.onnx'], 1, 'ModelInvalid: '],
    ['a file that is there', ['yolo.pth', '-o', 'taken.safetensors'], 2, 'it exists: --force replaces it'],
    ['the input', ['yolo.pth', '--onnx', '-o', 'yolo.pth'], 2, 'a name that ends in .onnx'],
    ['an extension that is another format’s', ['yolo.pth', '-o', 'x.onnx'], 2, '.safetensors (--onnx writes ONNX)'],
    ['a folder that is not there', ['yolo.pth', '-o', 'none/x.safetensors'], 2, '"none/x.safetensors": ENOENT'],
    [
      'a file that is not there',
      ['none.pth', '-o', 'x.safetensors'],
      1,
      'ModelInvalid: Expected a model file, got "none.pth": ENOENT',
    ],
    ['a picture', ['photo.png', '-o', 'x.safetensors'], 1, 'ModelInvalid: '],
    [
      'an activation that is none',
      ['yolo.pth', '-o', 'x.safetensors', '--activation', 'gelu'],
      2,
      '"activation", got "gelu"',
    ],
    ['an eps that is none', ['yolo.pth', '-o', 'x.safetensors', '--eps', '0'], 2, 'a positive number for "eps"'],
    ['no file', ['-o', 'x.safetensors'], 2, 'one file for "file"'],
  ])('%s: one line, nothing written', async (_, args, code, message) => {
    const before = await readdir(folder);
    const got = await run('convert', ...args);
    expect(got.stderr).toContain(message);
    expect([got.code, got.stdout, got.stderr.trim().split('\n').length]).toEqual([code, '', 1]);
    expect(await readdir(folder)).toEqual(before);
    expect(await readFile(path('taken.safetensors'), 'utf8')).toBe('mine');
  });

  test('without onnxruntime-web it says what to install', async () => {
    const alone = await mkdtemp(path('alone-'));
    const dist = new URL('../../dist/', import.meta.url).pathname;
    // The package as installed: no node_modules beside it.
    for (const file of await readdir(dist)) if (/\.js$/.test(file)) await copyFile(dist + file, `${alone}/${file}`);
    await writeFile(`${alone}/package.json`, '{"type":"module"}');
    const { execFileSync } = await import('node:child_process');
    const convert = (): Buffer =>
      execFileSync(
        process.execPath,
        [`${alone}/cli.js`, 'convert', 'down-encoder-out.pth', '--onnx', '-o', 'alone.onnx'],
        { cwd: folder, stdio: 'pipe' },
      );
    expect(convert).toThrow(/BackendUnavailable: .*npm install onnxruntime-web/);
    expect(await readdir(folder)).not.toContain('alone.onnx');
  });
});

describe('explain', () => {
  test('weights times pixels and the constant are the pixel that upscale writes', async () => {
    await run('photo.png', '-o', 'big.png', '--backend', 'reference');
    const { data } = await sharp(path('big.png')).raw().toBuffer({ resolveWithObject: true });
    const { code, stdout } = await run('explain', 'photo.png', '--at', '41,33', '--json');
    expect(code).toBe(0);
    const { weights, luma, constant, value, width, height, bicubic } = JSON.parse(stdout);
    expect([weights.length, luma.length, bicubic.length]).toEqual(Array(3).fill(width * height));
    const sum = weights.reduce((total: number, w: number, i: number) => total + w * luma[i], constant);
    expect(sum).toBeCloseTo(value, 5);
    const [r, g, b] = data.subarray(3 * (33 * 80 + 41));
    expect(Math.abs(0.299 * r + 0.587 * g + 0.114 * b - 255 * value)).toBeLessThan(1.5); // rounded, and kept to the colours around it
  });

  test('-o draws source, weights and bicubic side by side', async () => {
    const { code, stdout } = await run('explain', 'photo.png', '--at', '0,59', '-o', 'heat.png');
    expect(code).toBe(0);
    const [, cells] = stdout.match(/\n {2}window +(\d+x\d+) source pixels from \(0, \d+\)\n/)!;
    const [columns, rows] = cells.split('x').map(Number);
    const { data, info } = await sharp(path('heat.png')).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([(3 * columns + 2) * 16, rows * 16]);
    const pixel = (cx: number, cy: number): number[] =>
      [...data.subarray(info.channels * (cy * 16 * info.width + cx * 16))].slice(0, 3);
    const original = await sharp(path('photo.png')).raw().toBuffer();
    expect(pixel(0, rows - 1)).toEqual([...original.subarray(3 * 29 * 40, 3 * 29 * 40 + 3)]);
    expect(pixel(columns + 1, rows - 1)[1]).toBeGreaterThan(150); // the pixel below it: green
    expect(pixel(3 * columns + 1, 0)).toEqual([0, 0, 0]); // bicubic does not look so far
  });

  test.each<[string, string[], number, string]>([
    ['no point', ['photo.png'], 2, 'two integers, X,Y for "at"'],
    ['a point outside', ['photo.png', '--at', '80,0'], 2, 'an integer of 0..79 for "at", got "80"'],
    ['a file that is there', ['photo.png', '--at', '1,1', '-o', 'photo.png'], 2, 'it is the input'],
    ['no picture', ['yolo.pth', '--at', '1,1'], 1, 'UnsupportedImage'],
    ['a position off the dial', ['photo.png', '--at', '1,1', '--restore', '2'], 2, 'auto or a number of 0..1'],
  ])('%s: one line', async (_, args, code, message) => {
    const got = await run('explain', ...args);
    expect(got.stderr).toContain(message);
    expect([got.code, got.stdout, got.stderr.trim().split('\n').length]).toEqual([code, '', 1]);
  });
});

test('each command has a --help', async () => {
  for (const command of ['inspect', 'convert', 'explain'])
    expect(await run(command, '--help')).toEqual({
      code: 0,
      stdout: expect.stringMatching(`^Usage: carafe-web ${command}`),
      stderr: '',
    });
});
