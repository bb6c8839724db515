// Pixels in files: what lies between decoder, upscaler and encoder, so that none of them holds a whole picture. The format is that of
// libvips, which sharp reads and writes: 64 bytes of header, the rows, and an XML text of everything else (profile, EXIF, pages).
// Source: libvips, libvips/iofuncs/vips.c. 1 to 4 bands (grey or RGB, with or without alpha).
// libvips maps such a file into memory as a whole, so a large picture is cut into several, which it maps one after another.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const HEADER = 64;
const MAGIC = 0x08f2a6b6; // little endian
const UCHAR = 0;
const USHORT = 2;
/** What a value is, by libvips' number for it. */
const TYPES = { [UCHAR]: Uint8Array, [USHORT]: Uint16Array, 6: Float32Array, 8: Float64Array } as const;
type Type = (typeof TYPES)[keyof typeof TYPES];
const INTERPRETATION = { grey8: 1, rgb8: 22, rgb16: 25, grey16: 26 };
/** What of the source's XML an enlarged picture still is. */
const KEPT =
  /^(icc-profile-data|exif-.+|xmp-data|iptc-data|orientation|resolution-unit|n-pages|page-height|delay|loop|gif-.+|background|png-comment-.+)$/;
const FILE = 2 ** 26; // bytes: what is mapped at a time
const MOST_FILES = 64; // of one picture: they are open at the same time

export type Values = Uint8Array | Uint16Array | Float32Array | Float64Array;

export interface Size {
  readonly width: number;
  /** Of all pages, which lie below each other. */
  readonly height: number;
}

export interface Layout extends Size {
  readonly bands: number;
  /** 16 bits a value, not 8. */
  readonly deep: boolean;
}

/** What rows can be read from. */
export interface Rows extends Layout {
  /** Room for so many rows, to be read into. */
  room(rows: number): Values;
  /** Rows from y on, band by band, as many as there is room for in `into`. */
  read(y: number, into: Values): void;
}

export class Raster implements Rows {
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  readonly deep: boolean;
  /** From the top. All have as many rows, of which the picture may not fill the last one's. */
  readonly paths: readonly string[];
  readonly #fileRows: number;
  readonly #files: readonly number[];
  readonly #header: Buffer;
  readonly #type: Type;

  private constructor(paths: readonly string[], files: readonly number[], header: Buffer, height: number) {
    this.paths = paths;
    this.#files = files;
    this.#header = header;
    [this.width, this.#fileRows, this.bands] = [4, 8, 12].map((at) => header.readInt32LE(at));
    this.height = height;
    this.#type = TYPES[header.readInt32LE(20) as keyof typeof TYPES];
    this.deep = this.#type !== Uint8Array;
  }

  /** One that libvips wrote. @throws {Error} for one with values of another type */
  static open(path: string): Raster {
    const file = openSync(path, 'r');
    const header = Buffer.alloc(HEADER);
    readSync(file, header, 0, HEADER, 0);
    const format = header.readInt32LE(20);
    if (header.readInt32LE(0) !== MAGIC || !Object.hasOwn(TYPES, format)) {
      closeSync(file);
      throw new Error(`these are no values of 8 or 16 bits or floats (format ${format})`);
    }
    return new Raster([path], [file], header, header.readInt32LE(8));
  }

  /** In a file that `newPath` names, or in several of `fileBytes`. */
  static create(
    newPath: () => string,
    { width, height, bands, deep }: Layout,
    { fileBytes, density = 25.4 }: { fileBytes?: number; density?: number } = {},
  ): Raster {
    const bytes = width * height * bands * (deep ? 2 : 1);
    const count = Math.min(Math.ceil(bytes / (fileBytes ?? bytes)), MOST_FILES, height);
    const rows = Math.ceil(height / count);
    const header = Buffer.alloc(HEADER);
    header.writeInt32LE(MAGIC, 0);
    [width, rows, bands, deep ? 16 : 8, deep ? USHORT : UCHAR, 0].forEach((value, i) =>
      header.writeInt32LE(value, 4 + 4 * i),
    );
    header.writeInt32LE(INTERPRETATION[`${bands < 3 ? 'grey' : 'rgb'}${deep ? 16 : 8}`], 28);
    header.writeFloatLE(density / 25.4, 32); // pixels a mm
    header.writeFloatLE(density / 25.4, 36);
    const paths = Array.from({ length: Math.ceil(height / rows) }, () => newPath());
    const files = paths.map((path) => openSync(path, 'w+', 0o600));
    const raster = new Raster(paths, files, header, height);
    for (const file of files) {
      writeSync(file, header);
      ftruncateSync(file, HEADER + rows * raster.#rowBytes);
    }
    return raster;
  }

  /**
   * This picture, `scale` times the `size` it is shown in, its pixels not yet written: resolution, profile, EXIF and pages come
   * along.
   */
  enlarged(newPath: () => string, size: Size, pages: number, scale: number, fileBytes = FILE): Raster {
    const { bands, deep } = this;
    const layout = { width: size.width * scale, height: size.height * scale, bands, deep };
    const joinable = pages === 1 && bands !== 2; // by sharp
    const raster = Raster.create(newPath, layout, joinable ? { fileBytes } : {});
    this.#header.copy(raster.#header, 32, 32, 40); // the resolution
    for (const file of raster.#files) writeSync(file, raster.#header, 0, HEADER, 0);
    const xml = keep(this.#xml(), layout.height / pages);
    writeSync(raster.#files[0], xml, HEADER + raster.#fileRows * raster.#rowBytes); // a joined picture has what its first part has
    return raster;
  }

  room(rows: number): Values {
    return new this.#type(rows * this.width * this.bands);
  }

  read(y: number, into: Values): void {
    const count = into.byteLength / this.#rowBytes;
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let row = 0; row < count; ) {
      const rows = Math.min(count - row, this.#fileRows - ((y + row) % this.#fileRows)); // in one file
      this.#readBytes(0, y + row, bytes.subarray(row * this.#rowBytes, (row + rows) * this.#rowBytes));
      row += rows;
    }
  }

  /** A row's part from x on. */
  readPart(x: number, y: number, into: Values): void {
    this.#readBytes(x, y, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
  }

  /** A row's part from x on. */
  write(x: number, y: number, values: Values): void {
    const [file, position] = this.#find(x, y);
    for (let done = 0; done < values.byteLength; )
      done += writeSync(file, values, done, values.byteLength - done, position + done); // the last part that a disk takes may be short
  }

  close(): void {
    this.#files.forEach((file) => closeSync(file));
  }

  #readBytes(x: number, y: number, bytes: Uint8Array): void {
    const [file, position] = this.#find(x, y);
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(file, bytes, done, bytes.length - done, position + done);
      if (got === 0) throw new Error('its pixels end too early');
      done += got;
    }
  }

  #find(x: number, y: number): [file: number, position: number] {
    const row = y % this.#fileRows;
    return [this.#files[(y - row) / this.#fileRows], HEADER + row * this.#rowBytes + x * this.#pixelBytes];
  }

  get #pixelBytes(): number {
    return this.bands * this.#type.BYTES_PER_ELEMENT;
  }

  get #rowBytes(): number {
    return this.width * this.#pixelBytes;
  }

  #xml(): string {
    const start = HEADER + this.height * this.#rowBytes;
    const text = Buffer.alloc(Math.max(0, fstatSync(this.#files[0]).size - start));
    readSync(this.#files[0], text, 0, text.length, start);
    return text.toString();
  }
}

function keep(xml: string, pageHeight: number): string {
  const changed: Readonly<Record<string, string>> = {
    'page-height': String(pageHeight),
    orientation: '1', // it is turned already
    'exif-ifd0-Orientation': '1',
  };
  const fields = [...xml.matchAll(/<field type="[^"]*" name="([^"]*)">([^<]*)<\/field>/g)]
    .filter(([, name]) => KEPT.test(name))
    .map(([field, name, value]) => field.replace(`>${value}<`, () => `>${changed[name] ?? value}<`));
  return `<?xml version="1.0"?>
<root xmlns="http://www.vips.ecs.soton.ac.uk/vips/8.15.0"><header></header><meta>${fields.join('')}</meta></root>
`;
}

/** Which of RGBA a raster of so many bands has. */
export function bandChannels(bands: number): readonly number[] {
  return [[], [1], [1, 3], [0, 1, 2], [0, 1, 2, 3]][bands];
}
