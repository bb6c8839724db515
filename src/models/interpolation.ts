// The model files of interpolations: safetensors that have said everything in their header.

/** @param kernel 'nearest', 'bicubic' or 'lanczos': of engine/networks/interpolation.ts */
export function file(kernel: string, scale: number): Uint8Array<ArrayBuffer> {
  const metadata = { architecture: 'interpolation', name: kernel, kernel, scale: String(scale) };
  const header = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata }));
  const bytes = new Uint8Array(8 + header.length);
  bytes[0] = header.length; // below 256: the other seven bytes of the number are 0
  bytes.set(header, 8);
  return bytes;
}
