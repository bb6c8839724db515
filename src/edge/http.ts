// What is wrong with a request, as a response; and a body, read no further than its limit.

export class HttpError extends Error {
  readonly #status: number;
  readonly #code: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #details: object;

  constructor(status: number, code: string, message: string, headers = {}, details: object = {}) {
    super(message);
    this.#status = status;
    this.#code = code;
    this.#headers = headers;
    this.#details = details;
  }

  response(): Response {
    return Response.json(
      { error: { code: this.#code, message: this.message, ...this.#details } },
      { status: this.#status, headers: { 'cache-control': 'no-store', ...this.#headers } },
    );
  }
}

/** All of a body of at most `limit` bytes. @throws {HttpError} 413 as soon as there is more, 400 if there is none */
export async function readBody(
  { body, headers }: { body: ReadableStream<Uint8Array> | null; headers: Headers },
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const tooLarge = (): HttpError =>
    new HttpError(413, 'ImageTooLarge', `Expected a picture of at most ${limit} bytes, got more`, {}, { limit });
  if (Number(headers.get('content-length') ?? 0) > limit) {
    await body?.cancel();
    throw tooLarge();
  }
  if (!body) throw new HttpError(400, 'InvalidOption', 'Expected a picture as body, got none');
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener('abort', stop);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      length += part.value.length;
      if (length > limit) {
        stop();
        throw tooLarge();
      }
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (length === 0) throw new HttpError(400, 'InvalidOption', 'Expected a picture as body, got none');
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
