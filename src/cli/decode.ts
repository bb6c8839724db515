// A picture file -> a raster of its values: as they are stored, not turned, grey as grey, 16 bits as 16 bits, in its own colour space.
import { rm } from 'node:fs/promises';
import { bmpRows } from './bmp.js';
import { type Codec, READING, reason } from './codec.js';
import { type Header, type Source, unsupported } from './header.js';
import { Raster } from './raster.js';

const FLOATS_OF_BYTES = 16; // a float picture with larger values than this is one of 0..255

/** Writes the raster to `path`; what the user should know comes back. @throws {CarafeError} UnsupportedImage */
export async function decode(codec: Codec, source: Source, header: Header, path: string): Promise<string[]> {
  try {
    if (header.kind === 'bmp') return await writeBmp(source.path, header, path);
    if (header.depth === 'float') return await writeFloats(codec, source.path, header, path);
    const notes = new Set<string>();
    const pages = header.pages > 1 ? { animated: true } : {};
    const picture = codec(source.path, { ...READING, ...pages, sequentialRead: true });
    picture.on('warning', (warning: string) => {
      if (!/^read gave \d+ warnings$/.test(warning)) notes.add(warning.trim());
    });
    if (header.profile)
      picture.keepMetadata(); // its values stay as they are
    else picture.keepExif().keepXmp();
    await picture.toColourspace(colourSpace(header)).toFile(path);
    return [...notes];
  } catch (error) {
    throw unsupported(source.name, reason(error));
  }
}

/** What sharp calls the raster's values. */
export function colourSpace({ grey, depth }: Pick<Header, 'grey' | 'depth'>): string {
  if (depth === 'uchar') return grey ? 'b-w' : 'srgb';
  return grey ? 'grey16' : 'rgb16';
}

async function writeBmp(from: string, { width, height, alpha }: Header, path: string): Promise<string[]> {
  const raster = Raster.create(() => path, { width, height, bands: alpha ? 4 : 3, deep: false });
  try {
    let y = 0;
    for await (const row of bmpRows(from)) raster.write(0, y++, row);
  } finally {
    raster.close();
  }
  return [];
}

/** Floats become 16 bits. Of 0..1 they are linear light, as libvips and Photoshop have it; what goes far beyond is 0..255. */
async function writeFloats(codec: Codec, from: string, header: Header, path: string): Promise<string[]> {
  const { grey, alpha, density } = header;
  const floatsPath = `${path}.floats.v`;
  await codec(from, { ...READING, sequentialRead: true })
    .toColourspace(grey ? 'b-w' : 'scrgb')
    .toFile(floatsPath);
  const floats = Raster.open(floatsPath);
  const { width, height, bands } = floats;
  const raster = Raster.create(() => path, { width, height, bands, deep: true }, { density });
  try {
    const row = floats.room(1);
    let largest = 0;
    for (let y = 0; y < height; y++) {
      floats.read(y, row);
      for (const value of row) if (value > largest) largest = value; // not NaN
    }
    const linear = largest <= FLOATS_OF_BYTES;
    const white = linear ? 1 : 255;
    const values = new Uint16Array(row.length);
    for (let y = 0; y < height; y++) {
      floats.read(y, row);
      for (let i = 0; i < values.length; i++) {
        const value = Math.min(Math.max(row[i] / white, 0), 1);
        const isAlpha = alpha && i % bands === bands - 1;
        values[i] = Math.round((linear && !isAlpha ? toGamma(value) : value) * 65535);
      }
      raster.write(0, y, values);
    }
    return largest > white ? [`its values go up to ${largest.toFixed(2)}: those above ${white} are white`] : [];
  } finally {
    floats.close();
    raster.close();
    await rm(floatsPath);
  }
}

/** Linear light -> sRGB's curve (IEC 61966-2-1). */
function toGamma(value: number): number {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
