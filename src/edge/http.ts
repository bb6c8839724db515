// What is wrong with a request, as a response; and a body, read no further than its limit.
import { concat, free } from './bytes.js';

export class HttpError extends Error {
  readonly #status: number;
  readonly #code: string;
  readonly #details: object;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param details Further members of the JSON's `error`. */
  constructor(
    status: number,
    code: string,
    message: string,
    { details = {}, headers = {} }: { details?: object; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.#status = status;
    this.#code = code;
    this.#details = details;
    this.#headers = headers;
  }

  response(): Response {
    const body = JSON.stringify({ error: { code: this.#code, message: this.message, ...this.#details } });
    const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', ...this.#headers };
    return new Response(body, { status: this.#status, headers });
  }
}

/**
 * All of a body of at most `limit` bytes.
 * @param broken the status of one that breaks off
 * @throws {HttpError} 413 as soon as there is more, 400 if there is none; the signal's reason
 */
export async function readBody(
  { body, headers }: { body: ReadableStream<Uint8Array> | null; headers: Headers },
  limit: number,
  signal: AbortSignal,
  broken = 400,
): Promise<Uint8Array> {
  const none = new HttpError(400, 'InvalidOption', 'Expected a picture as body, got none');
  const tooLarge = new HttpError(413, 'ImageTooLarge', `Expected a picture of at most ${limit} bytes, got more`, {
    details: { limit },
  });
  if (!body) throw none;
  const reader = body.getReader();
  const stop = (reason: unknown): void => void reader.cancel(reason).catch(() => {});
  const abort = (): void => stop(signal.reason);
  signal.addEventListener('abort', abort);
  const read = (): ReturnType<typeof reader.read> =>
    reader.read().catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new HttpError(broken, 'Aborted', `Expected the whole picture, got ${String(cause)}`);
    });
  const parts: Uint8Array[] = [];
  try {
    if (Number(headers.get('content-length') ?? 0) > limit) throw tooLarge;
    let length = 0;
    for (let part = await read(); !part.done; part = await read()) {
      parts.push(part.value);
      length += part.value.length;
      if (length > limit) throw tooLarge;
    }
    signal.throwIfAborted(); // a cancelled body has ended
    if (length === 0) throw none;
    const bytes = concat(parts);
    parts.forEach(free);
    return bytes;
  } catch (error) {
    stop(error);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
