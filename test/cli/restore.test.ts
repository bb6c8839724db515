// --restore: the dial of the command line, and what it says it found.
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { difference } from '../api/support.js';
import { rgba, sandbox } from './support.js';

const { path, run } = sandbox();
const common = ['--backend', 'wasm', '--model', 'small', '--jobs', '1', '--force'];

beforeAll(async () => {
  const sample = sharp(new URL('../../examples/sample.jpg', import.meta.url).pathname).resize(160, 120);
  await sample.clone().png().toFile(path('clean.png'));
  await sample.clone().jpeg({ quality: 60 }).toFile(path('photo.jpg'));
});

describe('--restore', () => {
  test('auto, the default, reads the tables; the line and the JSON say so', async () => {
    const plain = await run(...common, '-o', 'auto.png', 'photo.jpg');
    expect(plain.stdout).toMatch(/photo\.jpg -> auto\.png {2}160x120 -> 320x240 .* restore 0\.95 \(JPEG, quality 60\)/);
    const json = await run(...common, '--restore', 'auto', '--json', '-o', 'auto.png', 'photo.jpg');
    expect(JSON.parse(json.stdout)).toMatchObject({ restore: { value: 0.95, reason: 'JPEG, quality 60' } });
  });

  test('a position: another picture, and the same as where auto was', async () => {
    await run(...common, '-o', 'auto.png', 'photo.jpg');
    const said = await run(...common, '--restore', '0.95', '-o', 'there.png', 'photo.jpg');
    expect(said.stdout).toContain('restore 0.95 (as asked)');
    await run(...common, '--restore', '0', '-o', 'zero.png', 'photo.jpg');
    const [auto, there, zero] = await Promise.all(
      ['auto.png', 'there.png', 'zero.png'].map((name) => rgba(path(name))),
    );
    expect(difference(auto.data, there.data).count).toBe(0);
    expect(difference(auto.data, zero.data).max).toBeGreaterThan(8);
  });

  test('a clean PNG stays near the clean end', async () => {
    const { stdout } = await run(...common, '--json', '-o', 'clean@2x.png', 'clean.png');
    expect(JSON.parse(stdout).restore.value).toBeLessThan(0.2);
  });

  test('an interpolation has no dial', async () => {
    const { stdout } = await run(...common, '--model', 'bicubic', '-o', 'bicubic.png', 'photo.jpg');
    expect(stdout).toContain('restore 0 (no network)');
  });

  test('the default model leaves pixel art its pixels, in each picture of an animation', async () => {
    const frames = [0, 1].map((shift) => {
      const drawn = (x: number, y: number): number[] =>
        Math.hypot(x - 12 - shift, y - 12) < 7 ? [250, 190, 40] : y > 16 ? [40, 120, 60] : [90, 150, 230];
      return Buffer.from(Array.from({ length: 24 * 24 }, (_, i) => drawn(i % 24, Math.floor(i / 24))).flat());
    });
    const raw = { width: 24, height: 48, channels: 3, pageHeight: 24 } as const;
    await sharp(Buffer.concat(frames), { raw }).gif().toFile(path('art.gif'));
    const { stdout } = await run('--backend', 'wasm', '--jobs', '1', '-o', 'big.gif', 'art.gif');
    expect(stdout).toContain('restore 0 (pixel art)');
    const [small, big] = await Promise.all(
      ['art.gif', 'big.gif'].map((name) => sharp(path(name), { pages: -1 }).ensureAlpha().raw().toBuffer()),
    );
    const colour = (image: Buffer, width: number, x: number, y: number): number =>
      image.readUInt32LE(4 * (y * width + x));
    const wrong = Array.from({ length: 48 * 96 }, (_, i) => [i % 48, Math.floor(i / 48)]).filter(
      ([x, y]) => colour(big, 48, x, y) !== colour(small, 24, x >> 1, y >> 1),
    );
    expect(wrong).toEqual([]);
  });

  test.each(['1.5', '-1', 'NaN', 'strong', ''])('"%s" is refused', async (value) => {
    const { code, stderr } = await run(...common, `--restore=${value}`, 'photo.jpg');
    expect([code, stderr]).toEqual([
      2,
      `InvalidOption: Expected auto or a number of 0..1 for "restore", got ${JSON.stringify(value)}\n`,
    ]);
  });
});
