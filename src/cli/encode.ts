// A raster -> a picture file, with what is kept of the source: EXIF (turned already: orientation 1), XMP, ICC profile, resolution, frames.
import type { Sharp } from 'sharp';
import { type Codec, READING } from './codec.js';
import { colourSpace } from './decode.js';
import { FORMATS, type FormatName } from './formats.js';
import type { Header } from './header.js';

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
const TWO_PASSES = 5e7; // pixels: over that a JPEG is encoded as it comes, 3 % larger, without 6 bytes of memory a pixel

/** Into `target`, a path, or as bytes. @throws {Error} sharp's */
export async function encode(
  codec: Codec,
  raster: string,
  header: Header,
  scale: number,
  encoding: Encoding,
  target: string | undefined,
): Promise<Buffer | undefined> {
  const { format, background, strip = false } = encoding;
  const deep = FORMATS[format].deep && header.depth !== 'uchar';
  const pages = header.pages > 1 ? { animated: true } : {};
  let picture = codec(raster, { ...READING, ...pages, sequentialRead: true });
  if (header.metadata && !strip) picture = picture.keepMetadata();
  else if (header.profile) picture = picture.keepIccProfile();
  if (header.alpha && (background || !FORMATS[format].alpha))
    picture = picture.flatten({ background: background ?? 'white' });
  picture = picture.toColourspace(colourSpace({ grey: header.grey, depth: deep ? 'ushort' : 'uchar' }));
  picture = asFormat(picture, header, scale, encoding);
  if (target === undefined) return picture.toBuffer();
  await picture.toFile(target);
  return undefined;
}

function asFormat(picture: Sharp, header: Header, scale: number, { format, quality }: Encoding): Sharp {
  const { width, height, density, fullChroma, progressive, lossless, bits = 8, depth } = header;
  const chosen = quality ?? DEFAULT_QUALITY[format];
  switch (format) {
    case 'png':
      return picture.png({ progressive });
    case 'jpeg': {
      const small = width * height * scale ** 2 < TWO_PASSES;
      return picture.jpeg({
        quality: chosen,
        chromaSubsampling: fullChroma ? '4:4:4' : '4:2:0',
        optimiseCoding: small,
        progressive: progressive && small,
      });
    }
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
        bigtiff: width * height * header.pages * scale ** 2 * 8 > 2 ** 32,
        xres: resolution,
        yres: resolution,
        resolutionUnit: 'inch',
      });
    }
    case 'gif':
      return picture.gif();
  }
}
