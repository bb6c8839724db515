// carafe-web/edge: a fetch handler that enlarges pictures, for Cloudflare Workers, Deno, Bun and Node. Stateless: all that is kept between
// requests are the opened networks. One handler works on its own thread; more cores are more isolates, threads or processes of it.
import type { Global, WasmModule } from '../core/platform.js';
import { onAbort } from '../core/abort.js';
import { expected } from '../core/errors.js';
import { CarafeError, createUpscaler, type RawImage, type Upscaler } from '../core.js';
import { version } from '../../package.json';
import { free, streamed } from './bytes.js';
import type { Codec } from './codec.js';
import { fetchAllowed } from './fetch-allowed.js';
import { createGate } from './gate.js';
import { type Format, readHeader } from './header.js';
import { HttpError, readBody } from './http.js';
import { readQuery } from './query.js';

export interface Limits {
  /** Bytes of a request's or a fetched picture; default 4 MiB. */
  bytes: number;
  /** Pixels of a result; default 4 million, 1000x1000 at scale 2: an isolate of 128 MB has room for it. Held against the file's header. */
  pixels: number;
  /** Of one request, until its response begins; default 30. */
  seconds: number;
  /** Pictures worked on at once; default 1, as there is one thread. */
  concurrent: number;
  /** Further requests taken in; default 8. Who comes later gets 429. */
  waiting: number;
}

export interface HandlerOptions {
  /** The build to run: a compiled module, which `import wasm from 'carafe-web/simd.wasm'` is to edge runtimes, or its bytes. */
  wasm: WasmModule | Uint8Array | ArrayBuffer;
  /** Models to offer, by name and scale: { 'small-x2': bytes of the .safetensors file }. The first is the default. */
  models: Readonly<Record<string, Uint8Array | ArrayBuffer>>;
  /** Formats to read and write: `png` of this entry, and `jsquash(...)`. */
  codecs: Readonly<Partial<Record<Format, Codec>>>;
  limits?: Partial<Limits>;
  /** Hosts that `GET ?url=` may fetch from: 'images.example.com', '*.example.com'. Default none: GET is off. */
  allow?: readonly string[];
  /** Access-Control-Allow-Origin; default '*'. */
  origin?: string;
}

/** What an edge runtime hands to `fetch` beside the request: work that goes on when the client has gone. */
interface Lifetime {
  waitUntil?(work: Promise<unknown>): void;
}

export interface Handler {
  /** Never rejects. `env` is not looked at. */
  (request: Global<'Request', object>, env?: unknown, context?: unknown): Promise<Global<'Response'>>;
  /** Frees the networks' memory. */
  dispose(): void;
}

const DEFAULT_LIMITS: Limits = { bytes: 4 * 2 ** 20, pixels: 4_000_000, seconds: 30, concurrent: 1, waiting: 8 };
const METHODS = 'GET, HEAD, POST, OPTIONS';
const STATUS: Partial<Record<CarafeError['code'], number>> = {
  ImageTooLarge: 413,
  OutOfMemory: 413,
  UnsupportedImage: 422,
};

/**
 * `POST /upscale?scale=2&model=small&restore=auto&format=webp&quality=85` with a picture as body; `GET` and `HEAD /upscale?url=...` where
 * hosts are allowed; `OPTIONS`. The answer is the picture, streamed, or JSON: `{ error: { code, message } }` with status 400 (query), 403 (host),
 * 404, 405, 413 (bytes or pixels; `limit` names it), 415 (format), 422 (broken picture), 429 (full), 502 (host's answer), 503 (time), 500.
 * Colour profiles are dropped.
 * @throws {CarafeError} InvalidOption
 */
export function createHandler(options: HandlerOptions): Handler {
  const { wasm, models, codecs, allow = [], origin = '*' } = checkHandler(options);
  const limits = checkLimits(options.limits);
  const names = Object.keys(models);
  readQuery(new URLSearchParams(), names); // names that are none are found here
  const gate = createGate(limits.concurrent, limits.waiting, 2000 * limits.seconds);
  const opened = new Map<string, Promise<Upscaler>>();
  const always = {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'etag, x-carafe-model, x-carafe-restore',
    'x-content-type-options': 'nosniff',
  };
  const preflight = {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': 'content-type, if-none-match',
    'access-control-max-age': '86400',
  };

  const open = (model: string): Promise<Upscaler> => {
    let upscaler = opened.get(model);
    if (!upscaler) {
      upscaler = createUpscaler({ model: models[model], wasm, backend: 'wasm', thread: 'inline', tile: 128 });
      upscaler.catch(() => opened.delete(model)); // the next request tries again
      opened.set(model, upscaler);
    }
    return upscaler;
  };

  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    if (!url.pathname.endsWith('/upscale')) throw new HttpError(404, 'NotFound', 'Expected /upscale');
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: preflight });
    if (!METHODS.split(', ').includes(request.method))
      throw new HttpError(405, 'MethodNotAllowed', `Expected ${METHODS}, got ${request.method}`, {
        headers: { allow: METHODS },
      });
    const wanted = readQuery(url.searchParams, names);
    const ticket = gate.enter();
    if (!ticket)
      throw new HttpError(429, 'Busy', `Expected at most ${limits.concurrent + limits.waiting} pictures at once`, {
        headers: { 'retry-after': '1' },
      });
    // AbortSignal.any() of AbortSignal.timeout() may be collected before it fires (Node 20)
    const ended = new AbortController();
    const { signal } = ended;
    const timer = setTimeout(() => ended.abort(new DOMException('', 'TimeoutError')), 1000 * limits.seconds);
    const stop = onAbort(request.signal, () => ended.abort(request.signal.reason));
    try {
      const file =
        request.method === 'POST'
          ? await readBody(request, limits.bytes, signal)
          : await fetchAllowed(url.searchParams.get('url'), allow, limits.bytes, signal);
      const { format, width, height } = readHeader(file);
      const target =
        wanted.format ??
        (['webp', 'png'] as const).reduce<Format>((best, other) => (codecs[best]?.encode ? best : other), format);
      const decode = codecs[format]?.decode;
      const encode = codecs[target]?.encode;
      if (!decode) throw new HttpError(415, 'UnsupportedImage', `Expected ${able(codecs, 'decode')}, got ${format}`);
      if (!encode)
        throw new HttpError(400, 'InvalidOption', `Expected ${able(codecs, 'encode')} for "format", got ${target}`);
      const pixels = width * height * wanted.scale ** 2;
      if (pixels > limits.pixels)
        throw new HttpError(
          413,
          'ImageTooLarge',
          `Expected a result of at most ${limits.pixels} pixels, got ${width}x${height} at scale ${wanted.scale}: ${pixels}`,
          { details: { limit: limits.pixels } },
        );

      const settings = [version, wanted.model, wanted.restore, target, wanted.quality].join(' ');
      const headers = { etag: await fingerprint(file, settings), 'cache-control': 'public, max-age=86400' };
      if (request.method !== 'POST' && matches(request.headers.get('if-none-match'), headers.etag))
        return new Response(null, { status: 304, headers });

      await ticket.turn(signal);
      const image = await decode(file).catch((cause: unknown) => {
        const message = `Expected a whole ${format}, got one that does not decode: ${text(cause)}`;
        throw new HttpError(422, 'UnsupportedImage', message);
      });
      signal.throwIfAborted();
      const upscaler = await open(wanted.model);
      const result = await upscaler.upscale(image, { signal, file, restore: wanted.restore });
      free(file);
      free(image.data);
      const bytes = await encode(target === 'jpeg' ? onWhite(result) : result, wanted.quality);
      free(result.data);
      return new Response(request.method === 'HEAD' ? null : streamed(bytes), {
        headers: {
          ...headers,
          'content-type': `image/${target}`,
          'content-length': String(bytes.length),
          'x-carafe-model': wanted.model,
          'x-carafe-restore': `${result.restore.value}`,
        },
      });
    } finally {
      clearTimeout(timer);
      stop();
      ticket.leave();
    }
  };

  const handler = async (request: Request, _env?: unknown, context?: unknown): Promise<Response> => {
    const work = answer(request).catch(failed);
    (context as Lifetime | undefined)?.waitUntil?.(work); // else a client that goes away leaves the isolate in the middle of it
    const response = await work;
    for (const [name, value] of Object.entries(always)) response.headers.set(name, value);
    return response;
  };
  return Object.assign(handler, {
    dispose: () => {
      for (const upscaler of opened.values()) void upscaler.then((one) => one.dispose());
      opened.clear();
    },
  });
}

function checkHandler(options: HandlerOptions): HandlerOptions {
  for (const name of ['wasm', 'models', 'codecs'] as const)
    if (typeof options?.[name] !== 'object' || options[name] === null)
      throw expected('InvalidOption', name, 'an object', options?.[name]);
  const { models, allow } = options;
  if (Object.keys(models).length === 0) throw expected('InvalidOption', 'models', 'at least one model', 'none');
  if (allow !== undefined && !Array.isArray(allow)) throw expected('InvalidOption', 'allow', 'a list of hosts', allow);
  return options;
}

/** A limit that is no number would limit nothing. @throws {CarafeError} InvalidOption */
function checkLimits(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name))
      throw expected('InvalidOption', 'limits', Object.keys(DEFAULT_LIMITS).join(', '), name);
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value > 0 || (value === 0 && name === 'waiting')))
      throw expected('InvalidOption', `limits.${name}`, 'a number', value);
    limits[name as keyof Limits] = value;
  }
  return limits;
}

const able = (codecs: HandlerOptions['codecs'], way: keyof Codec): string =>
  Object.entries(codecs)
    .filter(([, codec]) => codec[way])
    .map(([name]) => name)
    .join(', ');

/** Weak comparison, as RFC 9110 has it for If-None-Match. */
function matches(given: string | null, etag: string): boolean {
  return given?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false;
}

async function fingerprint(file: Uint8Array, settings: string): Promise<string> {
  const hashes = await Promise.all(
    [file as Uint8Array<ArrayBuffer>, new TextEncoder().encode(settings)].map((bytes) =>
      crypto.subtle.digest('SHA-256', bytes),
    ),
  );
  const [picture, asked] = hashes.map((hash) =>
    Array.from(new Uint8Array(hash, 0, 12), (byte) => byte.toString(16).padStart(2, '0')).join(''),
  );
  return `"${picture}-${asked}"`;
}

/** JPEG has no alpha. The image is ours to change. */
function onWhite(image: RawImage): RawImage {
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3];
    if (alpha < 255) for (let c = i; c < i + 3; c++) data[c] = (data[c] * alpha + 255 * (255 - alpha)) / 255;
  }
  return image;
}

function failed(error: unknown): Response {
  if (error instanceof HttpError) return error.response();
  const { name } = error as Error;
  if (error instanceof CarafeError && STATUS[error.code])
    return new HttpError(STATUS[error.code]!, error.code, error.message).response();
  if (name === 'TimeoutError')
    return new HttpError(503, 'Timeout', 'Expected to be done within the time limit', {
      headers: { 'retry-after': '1' },
    }).response();
  if (name === 'AbortError') return new HttpError(499, 'Aborted', 'The client has gone').response();
  console.error(error);
  return new HttpError(500, 'Internal', 'The picture could not be enlarged').response();
}

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 200);
