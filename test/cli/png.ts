// PNG files of every kind, written by hand: sharp writes only some. Source: PNG specification, third edition.
import { crc32, deflateSync } from 'node:zlib';

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  readonly type: number;
  readonly interlaced?: boolean;
}

/** `rows`: filter byte and values, row after row. `chunks` come before them: PLTE, tRNS. */
export function png(
  { width, height, depth, type, interlaced = false }: PngHeader,
  rows: Uint8Array,
  chunks: readonly [string, Uint8Array][] = [],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, interlaced ? 1 : 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...chunks.map(([name, data]) => chunk(name, data)),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Values of a row, most significant first, packed to bytes. */
export function packRow(values: readonly number[], depth: number): number[] {
  if (depth === 16) return values.flatMap((value) => [value >> 8, value & 255]);
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const value of values) {
    held = (held << depth) | value;
    bits += depth;
    if (bits === 8) {
      bytes.push(held);
      held = bits = 0;
    }
  }
  if (bits > 0) bytes.push(held << (8 - bits));
  return bytes;
}
