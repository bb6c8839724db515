// What a file says it is before anything decodes it: its format and its size. It is strict, so that no file has one size here and another
// in its decoder: what a decoder would skip or guess is refused.
import { HttpError } from './http.js';

export type Format = 'png' | 'jpeg' | 'webp' | 'avif';

export interface Header {
  readonly format: Format;
  readonly width: number;
  readonly height: number;
}

/** Of a progressive JPEG; encoders write about ten. Each is another pass over all of the picture, for a few bytes. */
const MAX_SCANS = 100;

/** @throws {HttpError} 415 none of the formats, or an animation; 422 a broken header */
export function readHeader(file: Uint8Array): Header {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let header: Header | undefined;
  try {
    header = readPng(view) ?? readJpeg(view) ?? readWebp(view) ?? readAvif(view);
  } catch (error) {
    if (error instanceof RangeError) throw broken('picture', 'one that ends in its header');
    throw error;
  }
  if (!header)
    throw new HttpError(415, 'UnsupportedImage', 'Expected a PNG, JPEG, WebP or AVIF as the body, got something else');
  if (header.width === 0 || header.height === 0) throw broken(header.format, 'one without pixels');
  return header;
}

function broken(format: string, got: string): HttpError {
  return new HttpError(422, 'UnsupportedImage', `Expected a whole ${format}, got ${got}`);
}

const ascii = (view: DataView, at: number, length = 4): string =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));

function readPng(view: DataView): Header | undefined {
  if (view.byteLength < 8 || view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a) return undefined;
  if (view.getUint32(8) !== 13 || ascii(view, 12) !== 'IHDR') throw broken('png', 'one that does not begin with IHDR');
  return { format: 'png', width: view.getUint32(16), height: view.getUint32(20) };
}

// Source: ITU-T T.81, annex B. Frames of JPEG's arithmetic, lossless and hierarchical modes are not decoded by the usual decoders.
function readJpeg(view: DataView): Header | undefined {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  let size: { width: number; height: number } | undefined;
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) throw broken('jpeg', `no marker at byte ${at}`);
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++; // fill
      continue;
    }
    if (marker === 0xda) {
      if (!size) throw broken('jpeg', 'a scan before its frame');
      if (scans(view, at) > MAX_SCANS) throw broken('jpeg', `more than ${MAX_SCANS} scans`);
      return { format: 'jpeg', ...size };
    }
    if (marker >= 0xc0 && marker <= 0xc2) {
      if (size) throw broken('jpeg', 'two frames');
      size = { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    } else if (
      (marker > 0xc2 && marker < 0xd0 && marker !== 0xc4) ||
      marker < 0xc0 ||
      (marker >= 0xd0 && marker <= 0xd9)
    )
      throw broken('jpeg', `marker ${marker.toString(16)}`);
    const length = view.getUint16(at + 2);
    if (length < 2) throw broken('jpeg', `a segment of ${length} bytes`);
    at += 2 + length;
  }
}

/** Of a scan's data no two bytes are a marker, so all of these are. */
function scans(view: DataView, start: number): number {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start, view.byteLength - start);
  let found = 0;
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) if (bytes[at + 1] === 0xda) found++;
  return found;
}

// Source: RFC 9649. libwebp refuses a file whose frame is not of its canvas's size.
function readWebp(view: DataView): Header | undefined {
  if (view.byteLength < 16 || ascii(view, 0) !== 'RIFF' || ascii(view, 8) !== 'WEBP') return undefined;
  const uint24 = (at: number): number => view.getUint16(at, true) + view.getUint8(at + 2) * 2 ** 16;
  switch (ascii(view, 12)) {
    case 'VP8X':
      if (view.getUint8(20) & 2) throw new HttpError(415, 'UnsupportedImage', 'Expected one picture, got an animation');
      return { format: 'webp', width: uint24(24) + 1, height: uint24(27) + 1 };
    case 'VP8L': {
      if (view.getUint8(20) !== 0x2f) throw broken('webp', 'another signature');
      const bits = view.getUint32(21, true);
      return { format: 'webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8 ':
      if (uint24(23) !== 0x2a019d) throw broken('webp', 'another start code');
      return {
        format: 'webp',
        width: view.getUint16(26, true) & 0x3fff,
        height: view.getUint16(28, true) & 0x3fff,
      };
    default:
      throw broken('webp', `a chunk ${JSON.stringify(ascii(view, 12))}`);
  }
}

// Source: ISO/IEC 14496-12 and 23008-12: meta > iprp > ipco > ispe. A file has one for each of its images: colours, alpha, thumbnail.
function readAvif(view: DataView): Header | undefined {
  if (view.byteLength < 16 || ascii(view, 4) !== 'ftyp') return undefined;
  const brands = ascii(view, 8, Math.max(0, Math.min(view.getUint32(0), view.byteLength, 256) - 8));
  if (brands.startsWith('avis')) throw new HttpError(415, 'UnsupportedImage', 'Expected one picture, got an animation');
  if (!brands.includes('avif')) return undefined;
  const [meta] = boxes(view, 0, view.byteLength, 'meta');
  const [properties] = meta ? boxes(view, meta.start + 4, meta.end, 'iprp') : [];
  const [container] = properties ? boxes(view, properties.start, properties.end, 'ipco') : [];
  const sizes = container ? boxes(view, container.start, container.end, 'ispe') : [];
  if (sizes.length === 0) throw broken('avif', 'none of its size');
  return {
    format: 'avif',
    width: Math.max(...sizes.map(({ start }) => view.getUint32(start + 4))),
    height: Math.max(...sizes.map(({ start }) => view.getUint32(start + 8))),
  };
}

function boxes(view: DataView, from: number, to: number, name: string): { start: number; end: number }[] {
  const found = [];
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at) || to - at; // 0: the rest
    if (size < 8 || at + size > to) throw broken('avif', `a box of ${size} bytes`); // 64-bit sizes too: no picture needs one
    if (ascii(view, at + 4) === name) found.push({ start: at + 8, end: at + size });
    at += size;
  }
  return found;
}
