// PNG in and out on the platform's own (de)compression streams: 85 kB of wasm less in an edge bundle, and no more than the picture's own
// size is ever inflated, whatever the file says. Source: the PNG specification, third edition.
import type { RawImage } from '../core.js';
import { concat, free } from './bytes.js';
import type { Codec } from './codec.js';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by colour type
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};
/** Adam7: first column and row of a pass, and the steps between them. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const WRITTEN = 64 * 1024; // bytes of rows handed to the compressor at once

export const png: Required<Codec> = { decode, encode };

interface Layout {
  readonly colour: number;
  readonly depth: number;
  /** Of a palette: RGB triples. */
  readonly palette: Uint8Array | undefined;
  /** tRNS: alphas of a palette, else the samples that are transparent. */
  readonly transparent: Uint8Array | undefined;
}

async function decode(file: Uint8Array): Promise<RawImage> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let header: DataView | undefined;
  let palette: Uint8Array | undefined;
  let transparent: Uint8Array | undefined;
  const data: Uint8Array[] = [];
  for (let at = SIGNATURE.length; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (at + 12 + length > file.length) throw new Error(`the chunk ${name} ends early`);
    const chunk = file.subarray(at + 8, at + 8 + length);
    if (crc(file.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw new Error(`the checksum of ${name} is wrong`);
    if (name === 'IHDR' && header) throw new Error('two headers');
    if (name === 'IHDR') header = new DataView(chunk.buffer, chunk.byteOffset, 13);
    else if (name === 'PLTE') palette = chunk;
    else if (name === 'tRNS') transparent = chunk;
    else if (name === 'IDAT') data.push(chunk);
    else if (name === 'IEND') break;
    else if (name[0] < 'a') throw new Error(`an unknown chunk ${name}`); // a capital: critical
    at += 12 + length;
  }
  if (!header) throw new Error('no header');
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, colour, compression, filter, interlace] = [8, 9, 10, 11, 12].map((at) => header.getUint8(at));
  if (!DEPTHS[colour]?.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1)
    throw new Error('its values are of no known kind');
  if (colour === 3 && !palette) throw new Error('no palette');
  const layout: Layout = { colour, depth, palette, transparent };
  const bits = CHANNELS[colour] * depth;
  const rows = readRows(data);
  const out = new Uint8ClampedArray(width * height * 4);
  try {
    for (const [x0, y0, dx, dy] of interlace ? PASSES : [[0, 0, 1, 1]]) {
      const columns = Math.ceil((width - x0) / dx);
      if (columns <= 0) continue;
      let above: Uint8Array = new Uint8Array(Math.ceil((columns * bits) / 8));
      for (let y = y0; y < height; y += dy) {
        const row = await rows.next(above.length + 1);
        unfilter(row, above, Math.max(1, bits / 8));
        above = row.subarray(1);
        toRgba(above, columns, layout, out, (y * width + x0) * 4, dx * 4);
      }
    }
  } finally {
    await rows.close();
  }
  return { data: out, width, height };
}

interface Rows {
  /** The next bytes, in memory of their own. */
  next(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

function readRows(chunks: readonly Uint8Array[]): Rows {
  let at = 0;
  const compressed = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const chunk = chunks[at++];
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
  const reader = compressed.pipeThrough(new DecompressionStream('deflate') as never as TransformStream).getReader();
  let inflated: Uint8Array = new Uint8Array(0);
  return {
    async next(length) {
      const row = new Uint8Array(length);
      for (let filled = 0; filled < length; ) {
        if (inflated.length === 0) {
          const { done, value } = await reader.read();
          if (done) throw new Error('its data ends early');
          inflated = value;
        }
        const part = inflated.subarray(0, length - filled);
        row.set(part, filled);
        filled += part.length;
        inflated = inflated.subarray(part.length);
      }
      return row;
    },
    close: () => reader.cancel().catch(() => {}), // what follows the last row is nothing of the picture's
  };
}

/** row: the filter's number, then its bytes; step: bytes of a pixel. */
function unfilter(row: Uint8Array, above: Uint8Array, step: number): void {
  const bytes = row.subarray(1);
  const n = bytes.length;
  switch (row[0]) {
    case 0:
      return;
    case 1:
      for (let i = step; i < n; i++) bytes[i] += bytes[i - step];
      return;
    case 2:
      for (let i = 0; i < n; i++) bytes[i] += above[i];
      return;
    case 3:
      for (let i = 0; i < n; i++) bytes[i] += ((i < step ? 0 : bytes[i - step]) + above[i]) >> 1;
      return;
    case 4:
      for (let i = 0; i < n; i++) bytes[i] += i < step ? above[i] : paeth(bytes[i - step], above[i], above[i - step]);
      return;
    default:
      throw new Error(`a filter ${row[0]}`);
  }
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** A row of samples as RGBA8 at `to`, `step` bytes apart. 16 bits are rounded to 8. */
function toRgba(
  row: Uint8Array,
  columns: number,
  layout: Layout,
  out: Uint8ClampedArray,
  to: number,
  step: number,
): void {
  const { colour, depth, palette, transparent } = layout;
  const channels = CHANNELS[colour];
  const top = 2 ** depth - 1;
  const sample = (i: number): number => {
    if (depth === 8) return row[i];
    if (depth === 16) return row[2 * i] * 256 + row[2 * i + 1];
    const bit = i * depth;
    return (row[bit >> 3] >> (8 - depth - (bit & 7))) & top;
  };
  const key =
    colour === 3 || !transparent
      ? undefined
      : new DataView(transparent.buffer, transparent.byteOffset, transparent.length);
  for (let x = 0; x < columns; x++, to += step) {
    const at = x * channels;
    if (colour === 3) {
      const index = sample(x);
      if (index * 3 + 2 >= palette!.length) throw new Error(`no colour ${index} in its palette`);
      for (let c = 0; c < 3; c++) out[to + c] = palette![index * 3 + c];
      out[to + 3] = transparent?.[index] ?? 255;
    } else {
      const colours = channels < 3 ? 1 : 3;
      for (let c = 0; c < 3; c++) out[to + c] = (sample(at + (colours === 1 ? 0 : c)) * 255) / top;
      if (channels % 2 === 0) {
        out[to + 3] = (sample(at + channels - 1) * 255) / top;
      } else {
        let same = key !== undefined;
        for (let c = 0; c < colours && same; c++) same = sample(at + c) === key!.getUint16(2 * c);
        out[to + 3] = same ? 0 : 255;
      }
    }
  }
}

/** RGBA8, or RGB8 of an opaque picture. */
async function encode({ data, width, height }: RawImage): Promise<Uint8Array<ArrayBuffer>> {
  let opaque = true;
  for (let i = 3; i < data.length && opaque; i += 4) opaque = data[i] === 255;
  const channels = opaque ? 3 : 4;
  const parts = await compress(filtered(data, width, height, channels));
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, opaque ? 2 : 6, 0, 0, 0], 8);
  const chunks = [
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', header),
    ...parts.map((part) => chunk('IDAT', part)),
    chunk('IEND', new Uint8Array(0)),
  ];
  const file = concat(chunks);
  for (const part of [...parts, ...chunks]) free(part);
  return file;
}

/** Rows, each with the filter that leaves the least (the specification's heuristic), a few at a time. */
function* filtered(
  data: Uint8ClampedArray,
  width: number,
  height: number,
  channels: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const length = width * channels;
  const tried = Array.from({ length: 3 }, () => new Uint8Array(length));
  const [sub, up, both] = tried;
  let above = new Uint8Array(length);
  let row = new Uint8Array(length);
  const rows = Math.max(1, Math.floor(WRITTEN / (length + 1)));
  for (let y = 0; y < height; y += rows) {
    const batch = new Uint8Array(Math.min(rows, height - y) * (length + 1));
    for (let to = 0, at = y * width * 4; to < batch.length; to += length + 1, at += width * 4) {
      for (let x = 0, from = at; x < length; x += channels, from += 4)
        for (let c = 0; c < channels; c++) row[x + c] = data[from + c];
      const sums = [0, 0, 0];
      for (let i = 0; i < length; i++) {
        const left = i < channels ? 0 : row[i - channels];
        const corner = i < channels ? 0 : above[i - channels];
        sub[i] = row[i] - left;
        up[i] = row[i] - above[i];
        both[i] = row[i] - paeth(left, above[i], corner);
        for (let f = 0; f < 3; f++) sums[f] += Math.abs((tried[f][i] << 24) >> 24);
      }
      const best = sums.indexOf(Math.min(...sums));
      batch[to] = [1, 2, 4][best];
      batch.set(tried[best], to + 1);
      [above, row] = [row, above];
    }
    yield batch;
  }
}

async function compress(rows: Generator<Uint8Array<ArrayBuffer>>): Promise<Uint8Array[]> {
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = rows.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  const parts: Uint8Array[] = [];
  const reader = stream.pipeThrough(new CompressionStream('deflate') as never as TransformStream).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
  return parts;
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

const CRCS = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(bytes: Uint8Array): number {
  let sum = -1;
  for (const byte of bytes) sum = CRCS[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}
