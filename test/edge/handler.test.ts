// carafe-web/edge in Node: what comes out is the picture of the package, in the format asked for; whatever is wrong is
// JSON with its status.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { upscale } from 'carafe-web';
import sharp from 'sharp';
import { codecs, handlerWith, type JsonError, MODELS, photo, post } from './support.js';

const handler = handlerWith();
afterAll(() => handler.dispose());

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());
const pixelsOf = async (file: Buffer | Uint8Array): Promise<Uint8ClampedArray> =>
  new Uint8ClampedArray(await sharp(file).ensureAlpha().raw().toBuffer());

/** Root of the mean square of the differences. */
function distance(a: Uint8ClampedArray, b: Uint8ClampedArray): number {
  expect(a.length).toBe(b.length);
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);
}

async function wanted(file: Buffer): Promise<Uint8ClampedArray> {
  const { data, info } = await sharp(file).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const options = {
    model: MODELS['small-x2'],
    backend: 'wasm',
    wasm: new URL('../../dist/carafe-simd.wasm', import.meta.url),
  } as const;
  return (await upscale({ data, width: info.width, height: info.height }, options)).data;
}

async function refusal(response: Response): Promise<[status: number, code: string, message: string]> {
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  const { error } = (await response.json()) as JsonError;
  return [response.status, error.code, error.message];
}

describe('a picture', () => {
  test('as PNG is the package’s, to the bit, transparency too', async () => {
    const file = await photo(60, 44, true).png().toBuffer();
    const response = await handler(post(file));
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'x-carafe-model': 'small-x2',
      'cache-control': 'public, max-age=86400',
      'x-content-type-options': 'nosniff',
    });
    const bytes = await bytesOf(response);
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    expect(await pixelsOf(bytes)).toEqual(await wanted(file));
  });

  test.each(['png', 'jpeg', 'webp', 'avif'] as const)('as %s goes in', async (format) => {
    const file = await photo().toFormat(format, { quality: 100 }).toBuffer();
    const response = await handler(post(file, '?format=png'));
    const got = await bytesOf(response);
    expect(await sharp(got).metadata()).toMatchObject({ format: 'png', width: 120, height: 88 });
    expect(distance(await pixelsOf(got), await wanted(file))).toBeLessThan(1); // decoders round differently
  });

  test.each(['jpeg', 'webp'] as const)('comes out as %s', async (format) => {
    const file = await photo().png().toBuffer();
    const response = await handler(post(file, `?format=${format}&quality=95`));
    expect(response.headers.get('content-type')).toBe(`image/${format}`);
    const bytes = await bytesOf(response);
    expect((await sharp(bytes).metadata()).format).toBe(format);
    expect(distance(await pixelsOf(bytes), await wanted(file))).toBeLessThan(6);
    const small = await bytesOf(await handler(post(file, `?format=${format}&quality=20`)));
    expect(small.length).toBeLessThan(bytes.length / 2);
  });

  test('keeps its format where no other is asked for, and AVIF becomes WebP', async () => {
    const types = { jpeg: 'image/jpeg', webp: 'image/webp', avif: 'image/webp' } as const;
    for (const [format, type] of Object.entries(types)) {
      const file = await photo()
        .toFormat(format as 'jpeg')
        .toBuffer();
      expect((await handler(post(file))).headers.get('content-type')).toBe(type);
    }
  });

  test('is turned as its EXIF says', async () => {
    const file = await photo().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const got = await sharp(await bytesOf(await handler(post(file, '?format=png')))).metadata();
    expect(got).toMatchObject({ width: 88, height: 120 });
  });

  test('without alpha is white where it was transparent', async () => {
    const clear = sharp({ create: { width: 16, height: 16, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
    const pixels = await pixelsOf(await bytesOf(await handler(post(await clear.png().toBuffer(), '?format=jpeg'))));
    expect([...pixels.subarray(0, 4)]).toEqual([255, 255, 255, 255]);
  });

  test('at the scale and by the model asked for', async () => {
    const response = await handler(post(await photo(20, 10).png().toBuffer(), '?scale=4&model=tiny'));
    expect(response.headers.get('x-carafe-model')).toBe('tiny-x4');
    expect(await sharp(await bytesOf(response)).metadata()).toMatchObject({ width: 80, height: 40 });
  });

  test('comes in parts', async () => {
    const noise = await sharp({
      create: {
        width: 200,
        height: 200,
        channels: 3,
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
        background: '#000',
      },
    })
      .png()
      .toBuffer();
    const parts = [];
    for await (const part of (await handler(post(noise))).body!) parts.push(part.length);
    expect(parts.length).toBeGreaterThan(1);
    expect(Math.max(...parts)).toBeLessThanOrEqual(64 * 1024);
  });
});

test('a handler of options that it does not understand is not made: a limit that is no number limits nothing', () => {
  for (const options of [
    { limits: { pixels: Number.NaN } },
    { limits: { bytes: '4MB' } },
    { limits: { seconds: 0 } },
    { limits: { byte: 1 } },
    { models: {} },
    { models: { small: new Uint8Array() } },
    { models: undefined },
    { codecs: undefined },
    { wasm: undefined },
    { allow: 'images.example.com' },
  ])
    expect(() => handlerWith(options as never)).toThrow(expect.objectContaining({ code: 'InvalidOption' }));
  handlerWith({ limits: { bytes: undefined } }).dispose(); // the default
});

test('a request whose client had gone before it came takes no place', async () => {
  const request = post(await photo().png().toBuffer(), '', { signal: AbortSignal.abort() });
  expect((await handler(request)).status).toBe(499);
});

describe('is refused', () => {
  const file = photo().png().toBuffer();
  test.each([
    ['?scale=3', 'InvalidOption', 'Expected 2 for "scale", got "3"'],
    ['?model=huge', 'InvalidOption', 'Expected small, tiny for "model", got "huge"'],
    ['?model=tiny&scale=8', 'InvalidOption', 'Expected 2, 4 for "scale", got "8"'],
    ['?format=gif', 'InvalidOption', 'Expected png, jpg, jpeg, webp, avif for "format", got "gif"'],
    ['?format=avif', 'InvalidOption', 'Expected png, jpeg, webp for "format", got avif'],
    ['?quality=0', 'InvalidOption', 'Expected an integer of 1..100 for "quality", got "0"'],
    ['?restore=2', 'InvalidOption', 'Expected "auto" or a number of 0..1 for "restore", got "2"'],
    ['?restore=', 'InvalidOption', 'Expected "auto" or a number of 0..1 for "restore", got ""'],
    ['?size=2', 'InvalidOption', 'Expected scale, model, restore, format, quality, url, got "size"'],
    ['?model=tiny&model=small', 'InvalidOption', 'Expected "model" once, got more'],
  ])('with 400: %s', async (query, code, message) => {
    expect(await refusal(await handler(post(await file, query)))).toEqual([400, code, message]);
  });

  test('with 413: more bytes than the limit, said or not, and no more of them are read', async () => {
    const small = handlerWith({ limits: { bytes: 1000 } });
    const message = 'Expected a picture of at most 1000 bytes, got more';
    expect(await refusal(await small(post(new Uint8Array(1001))))).toEqual([413, 'ImageTooLarge', message]);
    let given = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        given += 300;
        controller.enqueue(new Uint8Array(300));
      },
    });
    expect(await refusal(await small(post(endless)))).toEqual([413, 'ImageTooLarge', message]);
    expect(given).toBeLessThan(3000);
  });

  test('with 400: a body that breaks off, as that of a client that has left; it is no fault of the server’s', async () => {
    const logged = vi.spyOn(console, 'error');
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('aborted')) });
    expect(await refusal(await handler(post(body)))).toEqual([
      400,
      'Aborted',
      'Expected the whole picture, got Error: aborted',
    ]);
    expect(logged).not.toHaveBeenCalled();
  });

  test('with 413: more pixels than the limit, before anything is decoded', async () => {
    const decode = vi.fn();
    const small = handlerWith({ limits: { pixels: 10_000 }, codecs: { png: { ...codecs.png, decode } } });
    const [status, code, message] = await refusal(await small(post(await file)));
    expect([status, code]).toEqual([413, 'ImageTooLarge']);
    expect(message).toBe('Expected a result of at most 10000 pixels, got 60x44 at scale 2: 10560');
    expect(decode).not.toHaveBeenCalled();
  });

  test('with 415: what is none of the formats, or has no codec', async () => {
    const gif = await photo().gif().toBuffer();
    for (const body of [gif, Buffer.from('hello'), Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')])
      expect((await refusal(await handler(post(body)))).slice(0, 2)).toEqual([415, 'UnsupportedImage']);
    const pngOnly = handlerWith({ codecs: { png: codecs.png } });
    const message = 'Expected png, got webp';
    expect(await refusal(await pngOnly(post(await photo().webp().toBuffer())))).toEqual([
      415,
      'UnsupportedImage',
      message,
    ]);
  });

  test('with 415: an animation', async () => {
    const frames = await sharp([await photo().png().toBuffer(), await photo().negate().png().toBuffer()], {
      join: { animated: true },
    })
      .webp()
      .toBuffer();
    expect(await refusal(await handler(post(frames)))).toEqual([
      415,
      'UnsupportedImage',
      'Expected one picture, got an animation',
    ]);
  });

  test.each(['png', 'jpeg', 'webp', 'avif'] as const)(
    'with 422: half a %s, and one with zeros in the middle',
    async (format) => {
      const whole = await photo(200, 150).toFormat(format).toBuffer();
      const half = await handler(post(whole.subarray(0, whole.length / 2)));
      if (format !== 'jpeg') expect(half.status).toBe(422); // a JPEG's decoder fills in what is missing
      for (const length of [1, 4, 12, 20, 30])
        expect((await handler(post(whole.subarray(0, length)))).status).toBeGreaterThanOrEqual(415);
    },
  );

  test('with 400: no body', async () => {
    expect((await handler(post(null))).status).toBe(400);
    expect((await handler(post(''))).status).toBe(400);
  });

  test('with 404 and 405: other paths and methods', async () => {
    expect((await handler(new Request('http://edge.test/'))).status).toBe(404);
    const put = await handler(post(await file, '', { method: 'PUT' }));
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
    const get = await handler(new Request('http://edge.test/upscale?url=https://example.com/a.png'));
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  test('with 503: a body that comes too slowly', async () => {
    const slow = handlerWith({ limits: { seconds: 0.1 } });
    const cancelled = vi.fn();
    const body = new ReadableStream<Uint8Array>({ cancel: cancelled });
    expect((await refusal(await slow(post(body)))).slice(0, 2)).toEqual([503, 'Timeout']);
    expect(cancelled).toHaveBeenCalled();
  });

  test('with 429: more at once than are taken in; the others are all done, and then there is room again', async () => {
    const busy = handlerWith({ limits: { waiting: 3 } });
    const responses = await Promise.all(Array.from({ length: 10 }, async () => busy(post(await file))));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 429, 429, 429, 429, 429, 429]);
    const [full] = responses.filter(({ status }) => status === 429);
    expect(full.headers.get('retry-after')).toBe('1');
    expect(await refusal(full)).toEqual([429, 'Busy', 'Expected at most 4 pictures at once']);
    expect((await busy(post(await file))).status).toBe(200);
    busy.dispose();
  });

  test('with 429 no longer than the limit of time, where a request was dropped in the middle', async () => {
    const never = new Promise<never>(() => {});
    const stuck = handlerWith({
      limits: { waiting: 0, seconds: 0.1 },
      codecs: { png: { ...codecs.png, decode: vi.fn(codecs.png!.decode!).mockReturnValueOnce(never) } },
    });
    void stuck(post(await file));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await stuck(post(await file))).status).toBe(429);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await stuck(post(await file))).status).toBe(200);
  });
});

describe('headers lie', () => {
  /** 20x10 as the first frame of a JPEG says, hidden in a comment; what is decoded is 4000x4000. */
  test('a JPEG with another size in a comment is what its decoder takes it for', async () => {
    const big = await sharp({ create: { width: 4000, height: 4000, channels: 3, background: '#888' } })
      .jpeg()
      .toBuffer();
    const frame = Buffer.from('ffc0001108000a0014030122000211010311', 'hex');
    const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, frame.length + 2]), frame]);
    const file = Buffer.concat([big.subarray(0, 2), comment, big.subarray(2)]);
    expect((await handler(post(file))).status).toBe(413);
    const garbage = Buffer.concat([big.subarray(0, 2), comment, Buffer.from([0]), big.subarray(2)]);
    expect((await refusal(await handler(post(garbage))))[0]).toBe(422);
  });

  test('a JPEG of a thousand scans, each another pass over the picture, is refused', async () => {
    const file = await photo(100, 100).jpeg({ progressive: true }).toBuffer();
    const start = file.lastIndexOf(Buffer.from([0xff, 0xda]));
    const scan = file.subarray(start, -2);
    const bomb = Buffer.concat([file.subarray(0, -2), ...Array.from({ length: 1000 }, () => scan), file.subarray(-2)]);
    expect(await refusal(await handler(post(bomb)))).toEqual([
      422,
      'UnsupportedImage',
      'Expected a whole jpeg, got more than 100 scans',
    ]);
  });

  test('a WebP whose canvas is not its frame’s size is not decoded', async () => {
    const file = await photo(300, 200, true).webp().toBuffer();
    expect(file.toString('latin1', 12, 16)).toBe('VP8X');
    file.writeUIntLE(9, 24, 3);
    expect((await handler(post(file))).status).toBe(422);
  });
});

describe('GET', () => {
  const served = photo().png().toBuffer();
  const asked: string[] = [];
  const far = handlerWith({ allow: ['images.example.com', '*.cdn.example.com', '127.0.0.1', 'localhost'] });
  const get = (url: string, init: RequestInit = {}): Promise<Response> =>
    far(new Request(`http://edge.test/upscale?url=${encodeURIComponent(url)}`, init));
  afterEach(() => void vi.unstubAllGlobals());

  function serve(answers: Record<string, () => Response | Promise<Response>>): void {
    asked.length = 0;
    vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
      expect(init).toMatchObject({ redirect: 'manual' });
      asked.push(url.href);
      return answers[url.href]?.() ?? new Response(null, { status: 404 });
    });
  }
  const redirect = (location: string) => () => new Response(null, { status: 302, headers: { location } });
  const picture = async (): Promise<Response> => new Response(new Uint8Array(await served));

  test('a picture of an allowed host, by HEAD without a body, by its ETag not again', async () => {
    serve({ 'https://images.example.com/a.png': picture, 'https://eu.cdn.example.com/a.png': picture });
    const response = await get('https://images.example.com/a.png');
    expect(response.status).toBe(200);
    const etag = response.headers.get('etag')!;
    expect(etag).toMatch(/^"[0-9a-f]{24}-[0-9a-f]{24}"$/);
    const same = await bytesOf(await get('https://eu.cdn.example.com/a.png'));
    expect(same.equals(await bytesOf(response))).toBe(true);
    const head = await get('https://images.example.com/a.png', { method: 'HEAD' });
    expect(head.body).toBeNull();
    expect(head.headers.get('content-length')).toBe(String(same.length));
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const known = await get('https://images.example.com/a.png', { headers: { 'if-none-match': tag } });
      expect([known.status, known.headers.get('etag')]).toEqual([304, etag]);
    }
    const other = await far(
      new Request('http://edge.test/upscale?model=tiny&url=https://images.example.com/a.png', {
        headers: { 'if-none-match': etag },
      }),
    );
    expect(other.status).toBe(200);
  });

  test.each([
    'https://example.com/a.png',
    'https://images.example.com.evil.test/a.png',
    'https://cdn.example.com/a.png',
    'http://images.example.com/a.png',
    'https://images.example.com:8443/a.png',
    'https://user:word@images.example.com/a.png',
    'https://127.0.0.1/a.png',
    'https://0x7f.1/a.png',
    'https://[::1]/a.png',
    'https://localhost/a.png',
    'file:///etc/passwd',
  ])('not %s', async (url) => {
    serve({});
    expect((await refusal(await get(url))).slice(0, 2)).toEqual([403, 'NotAllowed']);
    expect(asked).toEqual([]);
  });

  test('a redirect is checked as the address was', async () => {
    serve({
      'https://images.example.com/moved': redirect('/a.png'),
      'https://images.example.com/a.png': picture,
      'https://images.example.com/out': redirect('https://169.254.169.254/latest/meta-data'),
      'https://images.example.com/round': redirect('/round'),
    });
    expect((await get('https://images.example.com/moved')).status).toBe(200);
    expect((await get('https://images.example.com/out')).status).toBe(403);
    expect((await get('https://images.example.com/round')).status).toBe(502);
    expect(asked.filter((url) => url.includes('169.254'))).toEqual([]);
  });

  test('what the host answers: an error is 502, too much is 413, a page is 415', async () => {
    serve({
      'https://images.example.com/page': () => new Response('<html>'),
      'https://images.example.com/large': () => new Response(new Uint8Array(5 * 2 ** 20)),
      'https://images.example.com/down': () => Promise.reject(new TypeError('no route')),
    });
    const status = async (path: string) => (await get(`https://images.example.com/${path}`)).status;
    expect(await status('nothing')).toBe(502);
    expect(await status('down')).toBe(502);
    expect(await status('large')).toBe(413);
    expect(await status('page')).toBe(415);
    expect((await get('no address')).status).toBe(400);
  });
});

test('OPTIONS: the preflight of another site’s page', async () => {
  const response = await handler(new Request('http://edge.test/upscale', { method: 'OPTIONS' }));
  expect(response.status).toBe(204);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
    'access-control-allow-headers': 'content-type, if-none-match',
  });
});

test('work goes on when the client has gone: it is handed to waitUntil', async () => {
  const waitUntil = vi.fn();
  const response = await handler(post(await photo().png().toBuffer()), {}, { waitUntil });
  expect(response.status).toBe(200);
  expect(waitUntil).toHaveBeenCalledWith(expect.any(Promise));
});

test('the same picture and settings have the same ETag, others another', async () => {
  const file = await photo().png().toBuffer();
  const tags = await Promise.all(
    ['', '', '?quality=50', '?format=webp', '?model=tiny'].map(async (query) =>
      (await handler(post(file, query))).headers.get('etag'),
    ),
  );
  expect(new Set(tags).size).toBe(4);
  expect(tags[0]).toContain(createHash('sha256').update(file).digest('hex').slice(0, 24));
});
