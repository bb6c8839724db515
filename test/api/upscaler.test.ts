// The upscaler as users call it: the built package, by its name, in Node.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CarafeError, createUpscaler, type RawImage, type Tile, upscale, type Upscaler } from 'carafe-web';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { overloadedWorkerUrl } from '../workers.js';
import { assertSamePicture, rejection, testImage } from './support.js';

let upscaler: Upscaler;
beforeAll(async () => {
  upscaler = await createUpscaler({ backend: 'wasm', workers: 2, tile: 32 });
});
afterAll(() => upscaler.dispose());

describe('size and pixels', () => {
  test.each([
    [1, 1],
    [3, 2],
    [33, 70],
    [1, 200],
  ])('%i x %i doubles', async (width, height) => {
    const image = testImage(width, height);
    const big = await upscaler.upscale(image);
    expect([big.width, big.height, big.data.length]).toEqual([width * 2, height * 2, width * height * 16]);
    expect(big.data.every((value, i) => i % 4 !== 3 || value === 255)).toBe(true);
  });

  test('a constant image stays constant', async () => {
    const big = await upscaler.upscale({
      data: new Uint8ClampedArray(20 * 20 * 4).map((_, i) => [30, 140, 220, 255][i % 4]),
      width: 20,
      height: 20,
    });
    const unequal = big.data.filter((value, i) => Math.abs(value - [30, 140, 220, 255][i % 4]) > 1);
    expect(unequal.length).toBe(0);
  });

  test('the input is only read', async () => {
    const image = testImage(40, 30);
    const before = { ...image, data: image.data.slice() };
    await upscaler.upscale(image);
    await assertSamePicture(image, before);
  });

  test('Uint8Array and a view into a larger buffer give the same pixels', async () => {
    const image = testImage(37, 21);
    const bytes = new Uint8Array(image.data.length + 3);
    bytes.set(image.data, 3);
    const view = { ...image, data: bytes.subarray(3) } as unknown as RawImage;
    await assertSamePicture(await upscaler.upscale(view), await upscaler.upscale(image));
  });
});

describe('tiles', () => {
  test('a list that comes down to the reference runs inline, where it is', async () => {
    const upscaler = await createUpscaler({ backend: ['webgpu', 'reference'] });
    expect(upscaler.info).toMatchObject({
      backend: 'reference',
      thread: 'inline',
      threadReason: expect.stringContaining('reference: it runs inline only'),
    });
    upscaler.dispose();
    await expect(createUpscaler({ backend: ['webgpu', 'reference'], thread: 'worker' })).rejects.toMatchObject({
      code: 'BackendUnavailable',
    });
  });

  test.each([
    ['wasm', 75, 59],
    ['reference', 34, 19],
  ] as const)('%s: every tile size gives the same bits', async (backend, width, height) => {
    const image = testImage(width, height);
    const cutOut = testImage(width, height, (x, y) =>
      x > 12 && x < 0.8 * width && y > 10 && y < 0.7 * height ? 255 : x > 7 && y > 5 ? 100 : 0,
    );
    const [whole, ...others] = await Promise.all(
      [2048, 8, 13, 32].map(async (tile) => {
        const one = await createUpscaler({ backend, tile, thread: 'inline' });
        const result = [await one.upscale(image), await one.upscale(cutOut)];
        one.dispose();
        return result;
      }),
    );
    for (const other of others) for (const i of [0, 1]) await assertSamePicture(other[i], whole[i]);
  });

  test('wasm and the reference agree within 1 of 255', async () => {
    const image = testImage(50, 40, (x) => Math.min(255, x * 8));
    const [a, b] = await Promise.all([upscale(image, { backend: 'wasm' }), upscale(image, { backend: 'reference' })]);
    await assertSamePicture(a, b, 1);
  });

  test('tiles() covers the output once, with the pixels of upscale()', async () => {
    const image = testImage(70, 90);
    const whole = await upscaler.upscale(image);
    const seen = new Uint8Array(whole.width * whole.height);
    const put = { ...whole, data: new Uint8ClampedArray(whole.data.length) };
    for await (const tile of upscaler.tiles(image)) {
      const { width, height, data } = tile.image;
      for (let y = 0; y < height; y++) {
        const at = (tile.y + y) * whole.width + tile.x;
        for (let x = 0; x < width; x++) seen[at + x]++;
        put.data.set(data.subarray(y * width * 4, (y + 1) * width * 4), at * 4);
      }
    }
    expect(seen.every((count) => count === 1)).toBe(true);
    await assertSamePicture(put, whole);
  });

  test('leaving the loop early leaves the upscaler usable', async () => {
    const image = testImage(100, 100);
    const seen: Tile[] = [];
    for await (const tile of upscaler.tiles(image)) {
      seen.push(tile);
      if (seen.length === 2) break;
    }
    expect((await upscaler.upscale(testImage(10, 10))).width).toBe(20);
  });

  test('progress counts every tile once, in order', async () => {
    const seen: number[] = [];
    await upscaler.upscale(testImage(100, 70), {
      onProgress: ({ done, total }) => {
        expect(total).toBe(12);
        seen.push(done);
      },
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });
});

describe('alpha', () => {
  test('colours under transparent pixels do not leak', async () => {
    const inside = (x: number, y: number): boolean => (x - 24) ** 2 + (y - 24) ** 2 < 200;
    const make = (hidden: number[]): RawImage => {
      const data = new Uint8ClampedArray(48 * 48 * 4);
      for (let i = 0; i < 48 * 48; i++)
        data.set(inside(i % 48, Math.floor(i / 48)) ? [200, 60, 40, 255] : [...hidden, 0], 4 * i);
      return { data, width: 48, height: 48 };
    };
    const [black, green] = [await upscaler.upscale(make([0, 0, 0])), await upscaler.upscale(make([0, 255, 0]))];
    let fringe = 0;
    for (let i = 0; i < black.data.length; i += 4) {
      if (black.data[i + 3] < 8) continue;
      expect([...black.data.subarray(i, i + 4)]).toEqual([...green.data.subarray(i, i + 4)]);
      fringe = Math.max(
        fringe,
        Math.abs(black.data[i] - 200),
        Math.abs(black.data[i + 1] - 60),
        Math.abs(black.data[i + 2] - 40),
      );
    }
    expect(fringe).toBeLessThanOrEqual(2);
    expect(black.data[4 * (48 * 96 + 48) + 3]).toBe(255);
    expect(black.data[3]).toBe(0);
  });
});

describe('the caller’s thread stays free', () => {
  test('timers keep firing during an upscale in a worker', async () => {
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
    }, 1);
    let tiles = 0;
    await upscaler.upscale(testImage(800, 800), {
      onProgress: () => {
        tiles++;
      },
    });
    clearInterval(timer);
    expect(tiles).toBe(625);
    expect(ticks).toBeGreaterThanOrEqual(20); // a blocked thread fires none
  });
});

test.skipIf(process.platform !== 'linux')(
  'no task of the caller’s thread takes over 16 ms, in a large image at an odd address',
  async () => {
    // of the processor, as Linux counts it: the machine may be busy
    const thread = `/proc/self/task/${process.pid}/schedstat`;
    const used = (): number => Number(readFileSync(thread, 'latin1').split(' ')[0]) / 1e6;
    const [width, height] = [8000, 5000];
    const data = new Uint8ClampedArray(new ArrayBuffer(width * height * 4 + 1), 1).fill(255);
    const own = await createUpscaler({ backend: 'wasm', model: 'small', workers: 2 });
    await own.upscale(testImage(8, 8));
    let watching = true;
    let longest = 0;
    const watch = (before: number): void => {
      const now = used();
      longest = Math.max(longest, now - before);
      if (watching) setImmediate(watch, now);
    };
    await sleep(100); // what is compiled and collected after the preparations
    setImmediate(watch, used());
    let tiles = 0;
    const controller = new AbortController();
    const pending = rejection(
      own.upscale(
        { data, width, height },
        {
          signal: controller.signal,
          onProgress: () => {
            if (++tiles === 6) controller.abort('enough');
          },
        },
      ),
    );
    expect(await pending).toBe('enough');
    watching = false;
    expect(longest).toBeLessThanOrEqual(16);
    own.dispose();
  },
);

describe('abort', () => {
  test('rejects with the reason within a tile, and the next call works', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: number[] = [];
    const image = testImage(400, 400);
    const error = await rejection(
      upscaler.upscale(image, {
        signal: controller.signal,
        onProgress: ({ done }) => {
          seen.push(done);
          if (done === 3) controller.abort(reason);
        },
      }),
    );
    expect(error).toBe(reason);
    expect(seen).toEqual([1, 2, 3]);
    expect((await upscaler.upscale(testImage(30, 30))).width).toBe(60);
  });

  test('an aborted signal starts nothing', async () => {
    const error = await rejection(
      upscaler.upscale(testImage(10, 10), { signal: AbortSignal.abort('no'), onProgress: () => expect.fail() }),
    );
    expect(error).toBe('no');
    expect(await rejection(createUpscaler({ signal: AbortSignal.abort('no') }))).toBe('no');
  });

  test('inline, too', async () => {
    const inline = await createUpscaler({ backend: 'wasm', thread: 'inline', tile: 16 });
    const controller = new AbortController();
    setTimeout(() => controller.abort('late'), 5);
    expect(await rejection(inline.upscale(testImage(600, 600), { signal: controller.signal }))).toBe('late');
    inline.dispose();
  });
});

describe('ends', () => {
  test('dispose rejects what is pending and what comes later', async () => {
    const own = await createUpscaler({ backend: 'wasm', tile: 16 });
    const pending = rejection(own.upscale(testImage(500, 500)));
    await sleep(5);
    own.dispose();
    own.dispose();
    expect((await pending).code).toBe('Disposed');
    expect((await rejection(own.upscale(testImage(8, 8)))).code).toBe('Disposed');
    for (const thread of ['inline', 'worker'] as const) {
      const other = await createUpscaler({ backend: 'wasm', thread });
      await other[Symbol.asyncDispose]();
      expect((await rejection(other.upscale(testImage(8, 8)))).code).toBe('Disposed');
    }
  });

  test('workers that die of a piece twice reject its call, and the next call has a new worker', async () => {
    const mortal = await createUpscaler({
      backend: 'wasm',
      workers: 1,
      workerUrl: overloadedWorkerUrl('overloaded', 200_000), // a whole tile is 263 kB, the weights are 60
    });
    const errors = await Promise.all([
      rejection(mortal.upscale(testImage(2000, 2000))),
      rejection(mortal.upscale(testImage(2000, 2000))),
    ]);
    expect(errors.map((error) => error.code)).toEqual(['WorkerCrashed', 'WorkerCrashed']);
    expect(errors[0]).toBeInstanceOf(CarafeError);
    expect((await mortal.upscale(testImage(8, 8))).width).toBe(16);
    expect(mortal.info.workers).toBe(1);
    mortal.dispose();
  });

  test('a worker that cannot start: an error if asked for, this thread and the reason in auto', async () => {
    const workerUrl = new URL('./no-such-worker.js', import.meta.url);
    const error = await rejection(createUpscaler({ backend: 'wasm', thread: 'worker', workerUrl }));
    expect(error.code).toBe('WorkerCrashed');
    const fallen = await createUpscaler({ backend: 'wasm', workerUrl });
    expect(fallen.info.thread).toBe('inline');
    expect(fallen.info.threadReason).toContain('no-such-worker');
    fallen.dispose();
  });
});

describe('info', () => {
  test('says what runs and why the others do not', async () => {
    const auto = await createUpscaler();
    expect(auto.info).toMatchObject({
      backend: 'wasm',
      model: 'base-x2',
      scale: 2,
      thread: 'worker',
      tile: 256,
      rejected: [{ backend: 'webgpu', reason: expect.stringContaining('navigator.gpu') }],
    });
    auto.dispose();
  });

  test('an explicit backend never falls back; a list is tried in order', async () => {
    const error = await rejection(createUpscaler({ backend: 'webgpu' }));
    expect(error.code).toBe('BackendUnavailable');
    expect(error.message).toContain('webgpu: this runtime has no navigator.gpu');
    expect(error.details).toEqual({
      rejected: [{ backend: 'webgpu', reason: expect.stringContaining('navigator.gpu') }],
    });
    const listed = await createUpscaler({ backend: ['webgpu', 'wasm'] });
    expect(listed.info).toMatchObject({ backend: 'wasm', rejected: [{ backend: 'webgpu' }] });
    listed.dispose();
  });
});
