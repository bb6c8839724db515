// A raster -> a picture file, with what is kept of the source: EXIF (turned already: orientation 1), XMP, ICC profile, resolution, frames.
import type { Sharp } from 'sharp';
import { type Codec, READING } from './codec.js';
import { colourSpace } from './decode.js';
import { FORMATS, type FormatName } from './formats.js';
import type { Header } from './header.js';
import type { Raster, Size } from './raster.js';

export interface Encoding {
  readonly format: FormatName;
  /** 1..100, of lossy formats; undefined: DEFAULT_QUALITY. */
  readonly quality?: number;
  /** What comes below transparent parts; white where the format has no transparency. */
  readonly background?: string;
  /** Leaves EXIF, XMP and IPTC out. The profile stays: colours need it. */
  readonly strip?: boolean;
}

export const DEFAULT_QUALITY: Readonly<Partial<Record<FormatName, number>>> = { jpeg: 90, webp: 90, avif: 65 };
/** Pixels: over that a picture is encoded as it comes, never progressive, a JPEG 3 % larger. Several passes take memory for all of it. */
const TWO_PASSES = 5e7;

/** Into the file `target`. @throws {Error} sharp's */
export async function encode(
  codec: Codec,
  raster: Raster,
  header: Header,
  encoding: Encoding,
  target: string,
): Promise<void> {
  const { format, background, strip = false } = encoding;
  const deep = FORMATS[format].deep && header.depth !== 'uchar';
  let picture = open(codec, raster, header.pages);
  if (header.metadata && !strip) picture = picture.keepMetadata();
  else if (header.profile) picture = picture.keepIccProfile();
  if (header.alpha && (background || !FORMATS[format].alpha))
    picture = picture.flatten({ background: background ?? 'white' });
  picture = picture.toColourspace(colourSpace({ grey: header.grey, depth: deep ? 'ushort' : 'uchar' }));
  await asFormat(picture, header, raster, encoding).toFile(target);
}

/** A raster of several files as one picture. */
function open(codec: Codec, { paths, width, height, bands }: Raster, pages: number): Sharp {
  if (paths.length === 1)
    return codec(paths[0], { ...READING, ...(pages > 1 && { animated: true }), sequentialRead: true });
  const joined = codec([...paths], { ...READING, join: { across: 1 } }).extract({ left: 0, top: 0, width, height });
  return bands === 1 ? joined.extractChannel(0) : joined; // joining makes three of one
}

function asFormat(picture: Sharp, header: Header, { width, height }: Size, { format, quality }: Encoding): Sharp {
  const { density, fullChroma, lossless, bits = 8, depth } = header;
  const small = width * height < TWO_PASSES;
  const progressive = header.progressive && small;
  const chosen = quality ?? DEFAULT_QUALITY[format];
  switch (format) {
    case 'png':
      return picture.png({ progressive });
    case 'jpeg':
      return picture.jpeg({
        quality: chosen,
        chromaSubsampling: fullChroma ? '4:4:4' : '4:2:0',
        optimiseCoding: small,
        progressive,
      });
    case 'webp':
      return picture.webp(
        lossless && quality === undefined && header.format === 'webp' ? { lossless } : { quality: chosen },
      );
    case 'avif':
      return picture.avif({
        quality: chosen,
        chromaSubsampling: fullChroma ? '4:4:4' : '4:2:0',
        bitdepth: depth === 'uchar' ? 8 : header.format === 'avif' && bits === 12 ? 12 : 10,
      });
    case 'tiff': {
      const resolution = (density ?? 25.4) / 25.4; // pixels a mm
      return picture.tiff({
        compression: 'lzw',
        predictor: 'horizontal',
        bigtiff: width * height * 8 > 2 ** 32,
        xres: resolution,
        yres: resolution,
        resolutionUnit: 'inch',
      });
    }
    case 'gif':
      return picture.gif();
  }
}
