// The formats that are written: their extensions, and what they can hold.
import { extname } from 'node:path';

export type FormatName = 'png' | 'jpeg' | 'webp' | 'avif' | 'tiff' | 'gif';

export interface Format {
  /** The first is given to new files. */
  readonly extensions: readonly string[];
  /** Pixels a side, at most: of the format or of its encoder. */
  readonly side: number;
  readonly alpha: boolean;
  /** More than 8 bits a value. */
  readonly deep: boolean;
  /** Several pictures: frames of an animation or pages. */
  readonly pages: boolean;
}

export const FORMATS: Readonly<Record<FormatName, Format>> = {
  png: { extensions: ['.png'], side: 2 ** 31 - 1, alpha: true, deep: true, pages: false },
  jpeg: { extensions: ['.jpg', '.jpeg', '.jpe', '.jfif'], side: 65500, alpha: false, deep: false, pages: false },
  webp: { extensions: ['.webp'], side: 16383, alpha: true, deep: false, pages: true },
  avif: { extensions: ['.avif'], side: 16384, alpha: true, deep: true, pages: false },
  tiff: { extensions: ['.tif', '.tiff'], side: 2 ** 31 - 1, alpha: true, deep: true, pages: true },
  gif: { extensions: ['.gif'], side: 65535, alpha: true, deep: false, pages: true },
};

export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

/** What is looked for in folders: pictures that are written too, and BMP. */
export const PICTURE_EXTENSIONS = [...Object.values(FORMATS).flatMap(({ extensions }) => extensions), '.bmp'];

/** The format that an extension stands for; undefined for one that is not written. */
export function formatOfPath(path: string): FormatName | undefined {
  const extension = extname(path).toLowerCase();
  return FORMAT_NAMES.find((name) => FORMATS[name].extensions.includes(extension));
}
