// Pixels in a file: what lies between decoder, upscaler and encoder, so that none of them holds a whole picture. The format is that of
// libvips, which sharp reads and writes: 64 bytes of header, the rows, and an XML text of everything else (profile, EXIF, pages).
// Source: libvips, libvips/iofuncs/vips.c. 8 or 16 bits a value, 1 to 4 bands (grey or RGB, with or without alpha).
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const HEADER = 64;
const MAGIC = 0x08f2a6b6; // little endian
const UCHAR = 0;
const USHORT = 2;
const INTERPRETATION = { grey8: 1, rgb8: 22, rgb16: 25, grey16: 26 };
/** What of the source's XML an enlarged picture still is. */
const KEPT =
  /^(icc-profile-data|exif-.+|xmp-data|iptc-data|orientation|resolution-unit|n-pages|page-height|delay|loop|gif-.+|background|png-comment-.+)$/;

export type Values = Uint8Array | Uint16Array;

export interface Layout {
  readonly width: number;
  /** Of all pages, which lie below each other. */
  readonly height: number;
  readonly bands: number;
  readonly deep: boolean;
}

export class Raster implements Layout {
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  readonly deep: boolean;
  readonly #file: number;
  readonly #header: Buffer;

  private constructor(file: number, header: Buffer) {
    this.#file = file;
    this.#header = header;
    [this.width, this.height, this.bands] = [4, 8, 12].map((at) => header.readInt32LE(at));
    this.deep = header.readInt32LE(20) === USHORT;
  }

  static open(path: string): Raster {
    const file = openSync(path, 'r');
    const header = Buffer.alloc(HEADER);
    readSync(file, header, 0, HEADER, 0);
    const format = header.readInt32LE(20);
    if (header.readInt32LE(0) !== MAGIC || (format !== UCHAR && format !== USHORT)) {
      closeSync(file);
      throw new Error(`this is no picture of 8 or 16 bits (format ${format})`);
    }
    return new Raster(file, header);
  }

  static create(path: string, { width, height, bands, deep }: Layout, density = 25.4): Raster {
    const header = Buffer.alloc(HEADER);
    const grey = bands < 3;
    header.writeInt32LE(MAGIC, 0);
    [width, height, bands, deep ? 16 : 8, deep ? USHORT : UCHAR, 0].forEach((value, i) =>
      header.writeInt32LE(value, 4 + 4 * i),
    );
    header.writeInt32LE(INTERPRETATION[`${grey ? 'grey' : 'rgb'}${deep ? 16 : 8}`], 28);
    header.writeFloatLE(density / 25.4, 32); // pixels a mm
    header.writeFloatLE(density / 25.4, 36);
    const file = openSync(path, 'w+', 0o600);
    writeSync(file, header);
    const raster = new Raster(file, header);
    ftruncateSync(file, HEADER + height * raster.#rowBytes);
    return raster;
  }

  /** The same picture `scale` times as large, its pixels not yet written: resolution, profile, EXIF and pages come along. */
  enlarged(path: string, scale: number): Raster {
    const { width, height, bands, deep } = this;
    const raster = Raster.create(path, { width: width * scale, height: height * scale, bands, deep });
    this.#header.copy(raster.#header, 32, 32, 40); // the resolution
    writeSync(raster.#file, raster.#header, 0, HEADER, 0);
    const xml = keep(this.#xml(), scale);
    writeSync(raster.#file, xml, HEADER + raster.height * raster.#rowBytes);
    return raster;
  }

  /** Rows y..y+count, band by band. */
  read(y: number, count: number): Values {
    const bytes = Buffer.alloc(count * this.#rowBytes);
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(this.#file, bytes, done, bytes.length - done, HEADER + y * this.#rowBytes + done);
      if (got === 0) throw new Error('its pixels end too early');
      done += got;
    }
    return this.deep ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : bytes;
  }

  /** A row's part from x on. */
  write(x: number, y: number, values: Values): void {
    writeSync(this.#file, values, 0, values.byteLength, HEADER + y * this.#rowBytes + x * this.#pixelBytes);
  }

  close(): void {
    closeSync(this.#file);
  }

  get #pixelBytes(): number {
    return this.bands * (this.deep ? 2 : 1);
  }

  get #rowBytes(): number {
    return this.width * this.#pixelBytes;
  }

  #xml(): string {
    const start = HEADER + this.height * this.#rowBytes;
    const text = Buffer.alloc(Math.max(0, fstatSync(this.#file).size - start));
    readSync(this.#file, text, 0, text.length, start);
    return text.toString();
  }
}

function keep(xml: string, scale: number): string {
  const fields = [...xml.matchAll(/<field type="[^"]*" name="([^"]*)">([^<]*)<\/field>/g)]
    .filter(([, name]) => KEPT.test(name))
    .map(([field, name, value]) =>
      name === 'page-height' ? field.replace(value, String(Number(value) * scale)) : field,
    );
  return `<?xml version="1.0"?>
<root xmlns="http://www.vips.ecs.soton.ac.uk/vips/8.15.0"><header></header><meta>${fields.join('')}</meta></root>
`;
}

/** Which of RGBA a raster of so many bands has. */
export function bandChannels(bands: number): readonly number[] {
  return [[], [1], [1, 3], [0, 1, 2], [0, 1, 2, 3]][bands];
}

/** Rows of a page, and the same as the upscaler takes them. */
export interface Strip {
  readonly values: Values;
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}
