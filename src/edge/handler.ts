// carafe-web/edge: a fetch handler that enlarges pictures, for Cloudflare Workers, Deno, Bun and Node. Codecs are handed in, as edge
// runtimes take wasm only as modules that the app imports. Stateless: what is kept between requests are the opened networks.
import { imageSize } from 'image-size';
import type { UpscalerOptions } from '../api/options.js';
import { createUpscaler, type Upscaler } from '../api/upscale.js';
import { CarafeError } from '../core/errors.js';
import type { RawImage } from '../core/tensor.js';
import { createGate } from './gate.js';
import { type Allowed, fetchAllowed } from './fetch-allowed.js';
import { HttpError, readBody } from './http.js';

export interface Codec {
  decode?(bytes: Uint8Array): Promise<RawImage>;
  encode?(image: RawImage, quality: number): Promise<Uint8Array>;
}
export type Format = 'png' | 'jpeg' | 'webp' | 'avif';

export interface Limits {
  /** Bytes of a request's or a fetched picture; default 8 MiB. */
  bytes: number;
  /** Pixels of a result, checked in the picture's header before it is decoded; default 4 million: a 128 MB isolate has room for it. */
  pixels: number;
  /** Of one request; default 30. */
  seconds: number;
  /** Pictures at once, default 1, and waiting behind them, default 8; who comes later gets 429. */
  concurrent: number;
  waiting: number;
}

export interface HandlerOptions {
  /** The wasm build: a module that the app imports from `carafe-web/simd.wasm`, or a URL or bytes where code may be compiled. */
  wasm?: UpscalerOptions['wasm'];
  /** The .safetensors files to offer, by name and scale: { 'small-x2': bytes }. The first one is the default. */
  models: Readonly<Record<string, Exclude<UpscalerOptions['model'], undefined>>>;
  codecs: Readonly<Partial<Record<Format, Codec>>>;
  limits?: Partial<Limits>;
  /** Hosts that `GET ?url=` may fetch from: 'images.example.com', '*.example.com'. Default none: GET is off. */
  allow?: Allowed;
  /** Access-Control-Allow-Origin; default '*'. */
  origin?: string;
  /** Default 'inline': edge runtimes have no workers. 'auto' in Node, Deno and Bun. */
  thread?: UpscalerOptions['thread'];
  workers?: number;
}

export interface Handler {
  (request: Request): Promise<Response>;
  dispose(): void;
}

const DEFAULT_LIMITS: Limits = { bytes: 8 * 2 ** 20, pixels: 4_000_000, seconds: 30, concurrent: 1, waiting: 8 };
const TYPES: Readonly<Record<Format, string>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};
const FORMATS: Readonly<Record<string, Format>> = { png: 'png', jpg: 'jpeg', jpeg: 'jpeg', webp: 'webp', avif: 'avif' };
const STATUS: Partial<Record<CarafeError['code'], number>> = {
  ImageTooLarge: 413,
  OutOfMemory: 413,
  UnsupportedImage: 422,
  InvalidOption: 400,
};
const CHUNK = 64 * 1024;

/**
 * `POST /upscale?scale=2&model=small&restore=auto&format=webp&quality=80` with a picture as body, `GET /upscale?url=...` where allowed,
 * HEAD and OPTIONS. Answers with the picture, an ETag and Cache-Control; errors are JSON `{ error: { code, message } }`.
 */
export function createHandler(options: HandlerOptions): Handler {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const gate = createGate(limits.concurrent, limits.waiting);
  const opened = new Map<string, Promise<Upscaler>>();
  const cors = {
    'access-control-allow-origin': options.origin ?? '*',
    'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
    'access-control-allow-headers': 'content-type, if-none-match',
    'access-control-expose-headers': 'etag, x-carafe-model, x-carafe-restore',
    'access-control-max-age': '86400',
  };

  const open = (name: string): Promise<Upscaler> => {
    let upscaler = opened.get(name);
    if (!upscaler) {
      const { wasm, thread = 'inline', workers } = options;
      upscaler = createUpscaler({ model: options.models[name], scale: scaleOf(name), wasm, thread, workers });
      upscaler.catch(() => opened.delete(name)); // the next request tries again
      opened.set(name, upscaler);
    }
    return upscaler;
  };

  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    if (!url.pathname.endsWith('/upscale')) throw new HttpError(404, 'NotFound', 'Expected /upscale');
    if (request.method === 'OPTIONS') return new Response(null, { status: 204 });
    if (!['GET', 'HEAD', 'POST'].includes(request.method))
      throw new HttpError(405, 'MethodNotAllowed', `Expected GET, HEAD or POST, got ${request.method}`, {
        allow: 'GET, HEAD, POST, OPTIONS',
      });
    const wanted = readQuery(url.searchParams, options);
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(limits.seconds * 1000)]);
    const source =
      request.method === 'POST'
        ? await readBody(request, limits.bytes, signal)
        : await fetchAllowed(url.searchParams.get('url'), options.allow ?? [], limits.bytes, signal);
    const format = checkHeader(source, scaleOf(wanted.model), limits.pixels);
    const decode = options.codecs[format]?.decode;
    if (!decode) throw new HttpError(415, 'UnsupportedImage', `Expected ${decodable(options)}, got ${format}`);
    const target = wanted.format ?? (options.codecs[format]?.encode ? format : 'png');
    const encode = options.codecs[target]?.encode;
    if (!encode)
      throw new HttpError(400, 'InvalidOption', `Expected ${encodable(options)} for "format", got ${target}`);

    const etag = await fingerprint(source, `${wanted.model} ${wanted.restore} ${target} ${wanted.quality}`);
    const headers = { etag, 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding' };
    const known = request.headers.get('if-none-match')?.split(',') ?? [];
    if (known.some((tag) => tag.trim().replace(/^W\//, '') === etag))
      return new Response(null, { status: 304, headers });

    const release = await gate.enter(signal);
    if (!release) throw new HttpError(429, 'Busy', 'Expected fewer pictures at once', { 'retry-after': '1' });
    try {
      const image = await decode(source).catch((cause: unknown) => {
        throw new HttpError(
          422,
          'UnsupportedImage',
          `Expected a whole ${format}, got one that does not decode: ${text(cause)}`,
        );
      });
      signal.throwIfAborted();
      const upscaler = await open(wanted.model);
      const result = await upscaler.upscale(image, {
        signal,
        ...(wanted.restore !== undefined && { restore: wanted.restore }),
      });
      const bytes = await encode(result, wanted.quality);
      return new Response(request.method === 'HEAD' ? null : streamed(bytes), {
        headers: {
          ...headers,
          'content-type': TYPES[target],
          'content-length': String(bytes.length),
          'x-carafe-model': wanted.model,
        },
      });
    } finally {
      release();
    }
  };

  const handler = async (request: Request): Promise<Response> => {
    const response = await answer(request).catch(failed);
    for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
    return response;
  };
  return Object.assign(handler, {
    dispose: () => {
      for (const upscaler of opened.values()) void upscaler.then((one) => one.dispose());
      opened.clear();
    },
  });
}

interface Wanted {
  readonly model: string;
  readonly restore?: 'auto' | number;
  readonly format?: Format;
  readonly quality: number;
}

function readQuery(query: URLSearchParams, { models }: HandlerOptions): Wanted {
  const names = Object.keys(models);
  const invalid = (name: string, expectation: string): HttpError =>
    new HttpError(
      400,
      'InvalidOption',
      `Expected ${expectation} for "${name}", got ${JSON.stringify(query.get(name))}`,
    );
  const [first] = names;
  const scale = query.get('scale') ?? String(scaleOf(first));
  const name = query.get('model') ?? first.replace(/-x\d$/, '');
  const model = `${name}-x${scale}`;
  if (!Object.hasOwn(models, model)) {
    if (!names.some((one) => one.startsWith(`${name}-x`)))
      throw invalid(
        'model',
        names
          .map((one) => one.replace(/-x\d$/, ''))
          .filter((one, i, all) => all.indexOf(one) === i)
          .join(', '),
      );
    throw invalid(
      'scale',
      names
        .filter((one) => one.startsWith(`${name}-x`))
        .map(scaleOf)
        .join(', '),
    );
  }
  const given = query.get('restore');
  const restore = given === null ? undefined : given === 'auto' ? 'auto' : given === '' ? Number.NaN : Number(given);
  if (typeof restore === 'number' && !(restore >= 0 && restore <= 1))
    throw invalid('restore', '"auto" or a number of 0..1');
  const format = query.get('format');
  if (format !== null && !Object.hasOwn(FORMATS, format)) throw invalid('format', Object.keys(FORMATS).join(', '));
  const quality = Number(query.get('quality') ?? 85);
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) throw invalid('quality', 'an integer of 1..100');
  return {
    model,
    quality,
    ...(restore !== undefined && { restore }),
    ...(format !== null && { format: FORMATS[format] }),
  };
}

/** The picture's format; its size is read from the header, so that one that is too large is never decoded. */
function checkHeader(bytes: Uint8Array, scale: number, limit: number): Format {
  let size: { width: number; height: number; type?: string };
  try {
    size = imageSize(bytes);
  } catch {
    throw new HttpError(415, 'UnsupportedImage', 'Expected a PNG, JPEG, WebP or AVIF, got another body');
  }
  const format = FORMATS[size.type ?? ''];
  if (!format) throw new HttpError(415, 'UnsupportedImage', `Expected a PNG, JPEG, WebP or AVIF, got ${size.type}`);
  const pixels = size.width * size.height * scale * scale;
  if (!(pixels <= limit))
    throw new HttpError(
      413,
      'ImageTooLarge',
      `Expected a result of at most ${limit} pixels, got ${size.width}x${size.height} at scale ${scale}: ${pixels}`,
      {},
      { limit },
    );
  return format;
}

function scaleOf(name: string): 2 | 3 | 4 {
  return Number(name.slice(-1)) as 2 | 3 | 4;
}

const decodable = ({ codecs }: HandlerOptions): string =>
  Object.keys(codecs)
    .filter((name) => codecs[name as Format]?.decode)
    .join(', ');
const encodable = ({ codecs }: HandlerOptions): string =>
  Object.keys(codecs)
    .filter((name) => codecs[name as Format]?.encode)
    .join(', ');

async function fingerprint(bytes: Uint8Array, settings: string): Promise<string> {
  const own = new TextEncoder().encode(settings);
  const all = new Uint8Array(bytes.length + own.length);
  all.set(bytes);
  all.set(own, bytes.length);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return `"${Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')}"`;
}

function streamed(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.slice(at, at + CHUNK));
      at += CHUNK;
      if (at >= bytes.length) controller.close();
    },
  });
}

function failed(error: unknown): Response {
  if (error instanceof HttpError) return error.response();
  if (error instanceof CarafeError)
    return new HttpError(STATUS[error.code] ?? 500, error.code, error.message).response();
  const { name } = error as Error;
  if (name === 'TimeoutError')
    return new HttpError(503, 'Timeout', 'Expected the picture within the time limit').response();
  if (name === 'AbortError') return new HttpError(499, 'Aborted', 'The client went away').response();
  return new HttpError(500, 'Internal', 'The picture could not be enlarged').response();
}

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 200);
