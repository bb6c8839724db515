export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const CHUNK = 64 * 1024;

/** A stream that gives them a little at a time, as they are asked for. */
export function streamed(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.slice(at, at + CHUNK));
      at += CHUNK;
      if (at >= bytes.length) controller.close();
    },
  });
}

/** Gives memory back now, where the engine can: its collector lets tens of MB of dropped buffers stand, in an isolate of 128. */
export function free({ buffer }: Uint8Array | Uint8ClampedArray): void {
  (buffer as { transfer?(length: number): void }).transfer?.(0);
}
