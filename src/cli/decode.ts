// A picture file -> a raster of its values: turned as EXIF says, grey as grey, 16 bits as 16 bits, in its own colour space.
import { decodeBmp } from './bmp.js';
import { type Codec, READING, reason } from './codec.js';
import { type Header, type Source, unsupported } from './header.js';
import { Raster } from './raster.js';

const FLOATS_OF_BYTES = 16; // a float picture with larger values than this is one of 0..255

/** Writes the raster to `path`; what the user should know comes back. @throws {CarafeError} UnsupportedImage */
export async function decode(codec: Codec, { name, input }: Source, header: Header, path: string): Promise<string[]> {
  try {
    if (header.kind === 'bmp') return await writeBmp(input, header, path);
    if (header.depth === 'float') return await writeFloats(codec, input, header, path);
    const notes = new Set<string>();
    const pages = header.pages > 1 ? { animated: true } : {};
    const picture = codec(input, { ...READING, ...pages, sequentialRead: !header.turned }).autoOrient();
    picture.on('warning', (warning: string) => {
      if (!/^read gave \d+ warnings$/.test(warning)) notes.add(warning.trim());
    });
    if (header.profile)
      picture.keepMetadata(); // its values stay as they are
    else picture.keepExif().keepXmp();
    await picture.toColourspace(colourSpace(header)).toFile(path);
    return [...notes];
  } catch (error) {
    throw unsupported(name, reason(error));
  }
}

/** What sharp calls the raster's values. */
export function colourSpace({ grey, depth }: Pick<Header, 'grey' | 'depth'>): string {
  if (depth === 'uchar') return grey ? 'b-w' : 'srgb';
  return grey ? 'grey16' : 'rgb16';
}

async function writeBmp(input: string | Buffer, { width, height, alpha }: Header, path: string): Promise<string[]> {
  const bands = alpha ? 4 : 3;
  const raster = Raster.create(path, { width, height, bands, deep: false });
  try {
    raster.write(0, 0, await decodeBmp(input));
  } finally {
    raster.close();
  }
  return [];
}

/** Floats become 16 bits. Of 0..1 they are linear light, as libvips and Photoshop have it; what goes far beyond is 0..255. */
async function writeFloats(
  codec: Codec,
  input: string | Buffer,
  { grey, alpha, density }: Header,
  path: string,
): Promise<string[]> {
  const { data, info } = await codec(input, READING)
    .autoOrient()
    .toColourspace(grey ? 'b-w' : 'scrgb')
    .raw({ depth: 'float' })
    .toBuffer({ resolveWithObject: true });
  const floats = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  const { width, height, channels: bands } = info;
  const largest = floats.reduce((max, value) => Math.max(max, value), 0);
  const linear = largest <= FLOATS_OF_BYTES;
  const white = linear ? 1 : 255;
  const values = new Uint16Array(floats.length);
  for (let i = 0; i < values.length; i++) {
    const value = Math.min(Math.max(floats[i] / white, 0), 1);
    const isAlpha = alpha && i % bands === bands - 1;
    values[i] = Math.round((linear && !isAlpha ? toGamma(value) : value) * 65535);
  }
  const raster = Raster.create(path, { width, height, bands, deep: true }, density);
  try {
    raster.write(0, 0, values);
  } finally {
    raster.close();
  }
  return largest > white ? [`its values go up to ${largest.toFixed(2)}: those above ${white} are white`] : [];
}

/** Linear light -> sRGB's curve (IEC 61966-2-1). */
function toGamma(value: number): number {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
