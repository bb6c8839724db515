// BMP, which sharp does not read: bitmaps of 1, 4, 8 (palette), 16, 24 and 32 bits (with or without masks), rows from the bottom or the
// top; not run-length coded, which nothing has written for decades. Source: BITMAPINFOHEADER, BITMAPV4HEADER (Windows GDI).
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { firstBytes } from './first-bytes.js';

const FIRST = 138 + 4 * 256; // bytes: the longest header, and the palette
const [UNCOMPRESSED, BIT_FIELDS, ALPHA_BIT_FIELDS] = [0, 3, 6];

export interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly alpha: boolean;
}

/** undefined for another file. @throws {Error} for a BMP of a kind that is not read */
export async function bmpHeader(path: string): Promise<BmpHeader | undefined> {
  const head = await firstBytes(path, FIRST);
  if (head.length < 54 || head.toString('latin1', 0, 2) !== 'BM' || head.readUInt32LE(14) < 40) return undefined;
  const { width, height, masks } = parse(head);
  return { width, height, alpha: masks[3] !== 0 };
}

/** Its rows from the top, each in the memory of the one before: RGB, or RGBA where the header has a mask for it. @throws {Error} */
export async function* bmpRows(path: string): AsyncGenerator<Uint8Array, void, void> {
  const head = await firstBytes(path, FIRST);
  const { width, height, fromTop, bits, masks, palette, offset } = parse(head);
  const bands = masks[3] === 0 ? 3 : 4;
  const channels = masks.slice(0, bands).map(channelOf);
  const row = Buffer.alloc(Math.ceil((width * bits) / 32) * 4);
  const values = new Uint8Array(width * bands);
  const file = openSync(path, 'r');
  try {
    if (fstatSync(file).size < offset + row.length * height - 3) throw new Error('its pixels end too early');
    for (let y = 0; y < height; y++) {
      readSync(file, row, 0, row.length, offset + row.length * (fromTop ? y : height - 1 - y));
      for (let x = 0, to = 0; x < width; x++) {
        if (bits <= 8) {
          const byte = row[(x * bits) >> 3];
          const index = (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1);
          for (const at of [2, 1, 0]) values[to++] = head[palette + 4 * index + at];
        } else {
          const pixel = row.readUIntLE((x * bits) / 8, bits / 8);
          for (const channel of channels) values[to++] = channel(pixel);
        }
      }
      yield values;
    }
  } finally {
    closeSync(file);
  }
}

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly fromTop: boolean;
  readonly bits: number;
  /** Of red, green, blue and alpha in a pixel. */
  readonly masks: readonly number[];
  /** Where they begin. */
  readonly palette: number;
  readonly offset: number;
}

function parse(file: Buffer): Layout {
  const [offset, size, width, height] = [10, 14, 18, 22].map((at) => file.readInt32LE(at));
  const bits = file.readUInt16LE(28);
  const compression = file.readUInt32LE(30);
  const hasMasks = compression === BIT_FIELDS || compression === ALPHA_BIT_FIELDS;
  if (![1, 4, 8, 16, 24, 32].includes(bits) || !(hasMasks || compression === UNCOMPRESSED) || width < 1 || height === 0)
    throw new Error(`it is a BMP of ${bits} bits with compression ${compression}, which is not read`);
  const usual = bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
  const hasAlpha = bits > 24 && (size >= 56 || compression === ALPHA_BIT_FIELDS);
  const masks = usual.map((mask, i) => {
    if (i === 3) return hasAlpha && file.length >= 70 ? file.readUInt32LE(66) : 0;
    return hasMasks ? file.readUInt32LE(54 + 4 * i) : mask;
  });
  const palette = 14 + size;
  return { width, height: Math.abs(height), fromTop: height < 0, bits, masks, palette, offset };
}

/** What a mask picks out of a pixel, as 0..255. */
function channelOf(mask: number): (pixel: number) => number {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
  const max = mask >>> shift;
  return (pixel) => (max === 0 ? 0 : Math.round((((pixel & mask) >>> shift) / max) * 255));
}
