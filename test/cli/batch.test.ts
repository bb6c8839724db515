// The command line on many files: all that can be done is done, nothing is overwritten unasked, what failed is named.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { CLI, picture, rgb, sandbox } from './support.js';

const { folder, temporary, path, run } = sandbox();

beforeAll(async () => {
  await picture().jpeg().toFile(path('a.jpg'));
  await picture().png().toFile(path('a.png'));
  await picture().jpeg().toFile(path('b.jpg'));
  await writeFile(path('bad.jpg'), 'not a picture');
});

describe('photo.jpg -> photo@2x.jpg beside it', () => {
  test('and the figures', async () => {
    const { code, stdout } = await run('a.jpg', '-o', 'figures.jpg');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^a\.jpg -> figures\.jpg {2}24x16 -> 48x32 {2}[\d.]+ m?s {2}restore 0\.7 \(JPEG, quality 80\)\n {2}backend +wasm \(.*simd\), \d+ workers?\n {2}model +base-x2\n {2}time +.+, [\d.]+ megapixels\/s \(output\)\n {2}peak memory +\d+ MB\n$/,
    );
    expect(await sharp(path('figures.jpg')).metadata()).toMatchObject({ width: 48, height: 32, format: 'jpeg' });
  });

  test('"upscale" may be written out; --quiet says nothing; --model takes a name or a file', async () => {
    const model = new URL('../../models/small-x2.safetensors', import.meta.url).pathname;
    expect(await run('upscale', 'a.png', '-o', 'quiet.png', '--quiet', '-m', 'small')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect((await run('a.png', '-o', 'file.png', '-m', model)).stdout).toMatch(/\n {2}model +small-x2\n/);
    expect(await readFile(path('file.png'))).toEqual(await readFile(path('quiet.png')));
  });

  test('--json: a line for each file', async () => {
    const { stdout } = await run('a.png', 'bad.jpg', '-f', 'webp', '--json', '-o', 'json/');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { status: 'failed', source: 'bad.jpg', code: 'UnsupportedImage', message: expect.stringContaining('bad.jpg') },
      {
        status: 'done',
        source: 'a.png',
        target: 'json/a@2x.webp',
        width: 48,
        height: 32,
        milliseconds: expect.any(Number),
        notes: [],
        restore: { value: 0, reason: 'too small to tell' },
      },
    ]);
  });
});

test('the first bad file of a batch does not end it: 37 of 40 done, 3 named, exit code 1; started again it goes on', async () => {
  await mkdir(path('photos'));
  const photo = await picture(8, 8).jpeg().toBuffer();
  for (let i = 0; i < 40; i++) await writeFile(path('photos', `${i}.jpg`), [3, 17, 39].includes(i) ? 'broken' : photo);
  await writeFile(path('photos', '._1.jpg'), Buffer.from([0, 5, 22, 7])); // what macOS leaves on other file systems
  await writeFile(path('photos', 'notes.txt'), 'no picture');
  const first = await run('photos');
  expect([first.code, first.stdout.trim().split('\n').at(-1)]).toEqual([1, '37 done, 3 failed']);
  expect(first.stderr.match(/photos\/\d+\.jpg/g)!.sort()).toEqual(['photos/17.jpg', 'photos/3.jpg', 'photos/39.jpg']);
  expect((await readdir(path('photos'))).filter((name) => name.endsWith('@2x.jpg'))).toHaveLength(37);
  const again = await run('photos', '--skip-existing');
  expect([again.code, again.stdout.trim().split('\n').at(-1)]).toEqual([1, '0 done, 37 skipped, 3 failed']);
});

describe('nothing is overwritten unasked', () => {
  test('two pictures with one target: refused before anything is done', async () => {
    const { code, stderr } = await run('a.jpg', 'a.png', 'b.jpg', '-f', 'png', '-o', 'one/');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/one\/a@2x\.png.+"a\.jpg".+"a\.png"/)]);
    expect(await readdir(path('one'))).toEqual([]);
  });

  test('a result that is there: kept; --skip-existing; --force', async () => {
    await writeFile(path('b@2x.jpg'), 'my retouched one');
    const refused = await run('b.jpg');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--force')]);
    const skipped = await run('b.jpg', '--skip-existing');
    expect([skipped.code, skipped.stdout]).toEqual([0, 'b.jpg: skipped, b@2x.jpg exists\n']);
    expect(await readFile(path('b@2x.jpg'), 'utf8')).toBe('my retouched one');
    expect((await run('b.jpg', '--force')).code).toBe(0);
    expect((await sharp(path('b@2x.jpg')).metadata()).width).toBe(48);
    expect((await run('b.jpg', '--force', '--skip-existing')).code).toBe(2);
  });

  test('the input never, not even with --force, nor one under another name', async () => {
    const before = await readFile(path('a.png'));
    for (const args of [
      ['a.png', '-o', 'a.png'],
      ['a.png', '-o', `../${folder.split('/').at(-1)}/a.png`],
    ]) {
      const { code, stderr } = await run(...args, '--force');
      expect([code, stderr]).toEqual([1, expect.stringContaining('it is an input')]);
    }
    await picture().png().toFile(path('c.png'));
    await picture(9, 9).png().toFile(path('c@2x.png'));
    const { code, stdout, stderr } = await run('c.png', 'c@2x.png', '--force');
    expect([code, stderr]).toEqual([1, expect.stringContaining('"c@2x.png": it is an input')]);
    expect(stdout).toContain('c@2x.png -> c@2x@2x.png');
    expect((await sharp(path('c@2x.png')).metadata()).width).toBe(9);
    expect(await readFile(path('a.png'))).toEqual(before);
  });
});

describe('folders and globs', () => {
  test('--recursive into a folder keeps places; results of earlier runs are no sources', async () => {
    await mkdir(path('tree/deep/deeper'), { recursive: true });
    await picture().webp().toFile(path('tree/x.webp'));
    await picture().tiff().toFile(path('tree/deep/deeper/y.TIF'));
    const flat = await run('tree', '-o', 'flat/');
    expect([flat.code, await readdir(path('flat'))]).toEqual([0, ['x@2x.webp']]);
    const all = await run('-r', 'tree', '-o', 'tree/out/');
    expect([all.code, (await readdir(path('tree/out'), { recursive: true })).sort()]).toEqual([
      0,
      ['deep', 'deep/deeper', 'deep/deeper/y@2x.TIF', 'x@2x.webp'],
    ]);
    const again = await run('-r', 'tree', '-o', 'tree/out/', '--skip-existing');
    expect(again.stdout).toContain('0 done, 2 skipped');
    expect((await run('tree')).code).toBe(0);
    expect((await run('tree', '--force')).stdout).not.toContain('@2x@2x'); // x@2x.webp is there now
  });

  test('a folder without pictures, and one further down', async () => {
    await mkdir(path('empty'));
    expect((await run('empty')).stderr).toContain('no picture is in this folder');
    expect((await run('tree/deep')).stderr).toContain('--recursive');
  });

  test('a glob that no shell expanded; a file that is called like one', async () => {
    await mkdir(path('globs'));
    for (const name of ['1.png', '2.png', '[3].png']) await picture(8, 8).png().toFile(path('globs', name));
    expect((await run('globs/?.png', '-o', 'globs/out/')).code).toBe(0);
    expect((await run('globs/[3].png', '-o', 'globs/out/')).code).toBe(0);
    expect((await readdir(path('globs/out'))).sort()).toEqual(['1@2x.png', '2@2x.png', '[3]@2x.png']);
    expect((await run('globs/*.gif')).stderr).toContain('no file fits');
  });

  test('several pictures in one file, and a picture with standard input: wrong options', async () => {
    expect((await run('a.jpg', 'b.jpg', '-o', 'both.jpg')).stderr).toContain('its name ends in /');
    expect((await run('a.jpg', '-')).code).toBe(2);
  });
});

test('standard input and output: - in, the picture out, words elsewhere', async () => {
  const child = spawn(process.execPath, [CLI, '-', '-f', 'png'], { cwd: folder });
  const out: Buffer[] = [];
  const words: Buffer[] = [];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => words.push(chunk));
  child.stdin.end(await picture().webp({ lossless: true }).toBuffer());
  expect((await once(child, 'close'))[0]).toBe(0);
  expect(await sharp(Buffer.concat(out)).metadata()).toMatchObject({ format: 'png', width: 48, height: 32 });
  expect(Buffer.concat(words).toString()).toContain('standard input -> -');
});

test('whoever reads the picture may leave early; a pipe is read like a file', async () => {
  await sharp(rgb(300, 300), { raw: { width: 300, height: 300, channels: 3 } })
    .png()
    .toFile(path('pipe.png'));
  const command = `cat pipe.png | ${process.execPath} ${CLI} - -o - --quiet -m tiny | head -c 8 | od -c; ls -A $TMPDIR`;
  const child = spawn('bash', ['-c', command], { cwd: folder, env: { ...process.env, TMPDIR: temporary } });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  expect((await once(child, 'close'))[0]).toBe(0);
  expect(Buffer.concat(chunks).toString()).toMatch(/^0000000 211 {3}P {3}N {3}G .*\n0000010\n$/);
});

test('a progress line on a terminal: files, percent, time left', async () => {
  await sharp(rgb(300, 300), { raw: { width: 300, height: 300, channels: 3 } })
    .png()
    .toFile(path('big.png'));
  const command = `${process.execPath} ${CLI} big.png a.png -o progress/ --tile 64`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder }); // a terminal
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  expect((await once(child, 'close'))[0]).toBe(0);
  expect(Buffer.concat(chunks).toString()).toMatch(/\d\/2 files, \d+ %, .+s left/);
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s in the middle leaves nothing behind', async (signal) => {
  await mkdir(path(signal));
  await sharp(rgb(900, 900), { raw: { width: 900, height: 900, channels: 3 } })
    .png()
    .toFile(path(signal, 'p.png'));
  for (const moment of ['.v', '.carafe-web-']) {
    const child = spawn(process.execPath, [CLI, 'p.png'], {
      cwd: path(signal),
      env: { ...process.env, TMPDIR: temporary },
    });
    const timer = setInterval(async () => {
      const names = [...(await readdir(path(signal))), ...(await readdir(temporary, { recursive: true }))];
      if (names.some((name) => name.includes(moment))) child.kill(signal);
    }, 5);
    expect(await once(child, 'exit')).toEqual([null, signal]);
    clearInterval(timer);
    expect(await readdir(path(signal))).toEqual(['p.png']);
    expect(await readdir(temporary)).toEqual([]);
  }
});

describe('other commands', () => {
  test('--version, --help with examples, no arguments', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await run('--help');
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('Examples:\n  carafe-web photo.jpg')]);
    expect((await run()).code).toBe(2);
    for (const command of ['backends', 'bench'])
      expect((await run(command, '--help')).stdout).toContain(`carafe-web ${command}`);
  });

  test('backends: what runs, and why not the rest', async () => {
    const { stdout } = await run('backends', '--json');
    expect(JSON.parse(stdout)).toEqual([
      { name: 'webgpu', available: false, reason: expect.any(String), details: '' },
      { name: 'wasm', available: true, details: expect.stringContaining('simd') },
      expect.objectContaining({ name: 'reference', available: true }),
    ]);
    expect((await run('backends')).stdout).toMatch(/^webgpu +no .+\nwasm +yes .*simd\n/);
  });

  test('bench: a time for each backend', async () => {
    const { stdout } = await run('bench', '--size', '32', '--runs', '3', '-m', 'small', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'wasm', model: 'small-x2', size: 32, scale: 2 });
    expect(JSON.parse(stdout).milliseconds).toBeGreaterThan(0);
  });
});

test('no temporary file is left by any of that', async () => {
  expect(await readdir(temporary)).toEqual([]);
  const names = await readdir(folder, { recursive: true });
  expect(names.filter((name) => name.includes('.carafe-web-'))).toEqual([]);
});
