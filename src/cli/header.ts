// What a file is, from its first bytes: everything that decides before its pixels are decoded whether and how it will be.
import { open } from 'node:fs/promises';
import { CarafeError } from '../index.js';
import { bmpHeader } from './bmp.js';
import { type Codec, READING, reason } from './codec.js';
import { firstBytes } from './first-bytes.js';
import { FORMAT_NAMES, FORMATS, type FormatName } from './formats.js';

export interface Source {
  /** As the user named it. */
  readonly name: string;
  /** Its own, or of a copy of what can be read only once. */
  readonly path: string;
}

export interface Header {
  /** As sharp calls it, or 'bmp'. */
  readonly kind: string;
  /** The same among those that are written, if it is. */
  readonly format: FormatName | undefined;
  /** Of one page, turned as EXIF says. */
  readonly width: number;
  readonly height: number;
  /** Frames or pages, all of this size. */
  readonly pages: number;
  readonly grey: boolean;
  readonly alpha: boolean;
  readonly depth: 'uchar' | 'ushort' | 'float';
  /** As EXIF numbers it, 1..8; 1: as it is stored. */
  readonly orientation: number;
  /** Whether its values stay in its own colour space. CMYK and Lab become sRGB. */
  readonly profile: boolean;
  /** EXIF, XMP or IPTC. */
  readonly metadata: boolean;
  /** Pixels an inch, where the file says so. */
  readonly density: number | undefined;
  /** Of values deeper than 8. */
  readonly bits: number | undefined;
  readonly fullChroma: boolean;
  readonly progressive: boolean;
  readonly lossless: boolean;
  /** What the user should know. */
  readonly notes: readonly string[];
}

const DEPTHS: Readonly<Record<string, Header['depth']>> = {
  uchar: 'uchar',
  ushort: 'ushort',
  float: 'float',
  double: 'float',
};

/** @throws {CarafeError} UnsupportedImage */
export async function readHeader(codec: Codec, source: Source): Promise<Header> {
  const bmp = await bmpHeader(source.path).catch((error) => {
    throw unsupported(source.name, reason(error));
  });
  if (bmp) return { ...PLAIN, ...bmp, kind: 'bmp' };
  const read = (options: object) => codec(source.path, { ...READING, ...options }).metadata();
  const meta = await read({}).catch((error) => {
    throw unsupported(source.name, reason(error));
  });
  const kind = meta.format ?? 'unknown';
  if (kind === 'heif' && meta.compression !== 'av1')
    throw unsupported(source.name, 'it is a HEIC file, which sharp cannot decode: save it as JPEG or AVIF first');
  const depth = DEPTHS[meta.depth ?? ''];
  if (!depth)
    throw unsupported(
      source.name,
      `its values are of type ${meta.depth}; those that are read are 8 and 16 bits and floats`,
    );
  const format = FORMAT_NAMES.find((name) => name === (kind === 'heif' ? 'avif' : kind));
  const notes: string[] = [];
  let pages = (format && FORMATS[format].pages && meta.pages) || 1;
  if (pages > 1 && !(await sameSizes())) {
    notes.push(`its ${pages} pages are of several sizes: only the first is done`);
    pages = 1;
  }
  const space = meta.space ?? 'srgb';
  return {
    kind,
    format,
    width: meta.autoOrient.width,
    height: meta.autoOrient.height,
    pages,
    grey: space === 'b-w' || space === 'grey16' || meta.channels <= 2,
    alpha: meta.hasAlpha ?? false,
    depth,
    orientation: meta.orientation ?? 1,
    profile: (meta.hasProfile ?? false) && depth !== 'float' && !['cmyk', 'lab', 'labs'].includes(space),
    metadata: Boolean(meta.exif || meta.xmp || meta.iptc),
    density: meta.density,
    bits: meta.bitsPerSample,
    fullChroma: meta.chromaSubsampling === undefined || meta.chromaSubsampling === '4:4:4',
    progressive: meta.isProgressive ?? false,
    lossless: kind === 'webp' && (await isLosslessWebp(source.path)),
    notes,
  };

  async function sameSizes(): Promise<boolean> {
    return read({ animated: true }).then(
      () => true,
      () => false,
    );
  }
}

const PLAIN = {
  format: undefined,
  pages: 1,
  grey: false,
  depth: 'uchar',
  orientation: 1,
  profile: false,
  metadata: false,
  density: undefined,
  bits: undefined,
  fullChroma: true,
  progressive: false,
  lossless: true,
  notes: [],
} as const;

/** Whether the pixels' chunk is VP8L. Source: RFC 9649, section 2. */
async function isLosslessWebp(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const chunk = Buffer.alloc(8);
    for (let at = 12; ; ) {
      if ((await file.read(chunk, 0, 8, at)).bytesRead < 8) return false;
      const name = chunk.toString('latin1', 0, 4);
      if (name === 'VP8L') return true;
      if (name === 'VP8 ' || name === 'ANIM') return false;
      at += 8 + chunk.readUInt32LE(4) + (chunk.readUInt32LE(4) % 2);
    }
  } finally {
    await file.close();
  }
}

const TABLES = 2 ** 18; // bytes: they stand behind EXIF, a thumbnail and a profile, of 64 kB each

/** The first bytes of a JPEG, in which its quantisation tables are. */
export async function tablesOf({ path }: Source, { kind }: Header): Promise<Uint8Array | undefined> {
  return kind === 'jpeg' ? firstBytes(path, TABLES) : undefined;
}

export function unsupported(name: string, why: string): CarafeError {
  return new CarafeError('UnsupportedImage', `Expected a picture, got ${JSON.stringify(name)}: ${why}`);
}
