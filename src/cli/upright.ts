// A raster as it is shown: turned as EXIF says while it is read. A decoder that turned it would have to hold all of it.
import type { Header } from './header.js';
import type { Raster, Rows, Values } from './raster.js';

/** Each page is turned by itself; rows are read of one page at a time. */
export function upright(raster: Raster, { orientation, pages }: Pick<Header, 'orientation' | 'pages'>): Rows {
  return orientation === 1 ? raster : new Turned(raster, orientation, raster.height / pages);
}

class Turned implements Rows {
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  readonly deep: boolean;
  readonly #raster: Raster;
  readonly #pageHeight: number; // of the raster
  /** Whether the raster's columns are shown as rows. */
  readonly #transposed: boolean;
  /** Whether the raster's columns are counted from the right, and its rows from the bottom. */
  readonly #fromRight: boolean;
  readonly #fromBottom: boolean;

  constructor(raster: Raster, orientation: number, pageHeight: number) {
    this.#raster = raster;
    this.#pageHeight = pageHeight;
    this.#transposed = orientation > 4;
    this.#fromRight = [2, 3, 7, 8].includes(orientation);
    this.#fromBottom = [3, 4, 6, 7].includes(orientation);
    const { width, height, bands, deep } = raster;
    [this.width, this.height] = this.#transposed ? [pageHeight, (width * height) / pageHeight] : [width, height];
    this.bands = bands;
    this.deep = deep;
  }

  room(rows: number): Values {
    return this.#raster.room((rows * this.width) / this.#raster.width);
  }

  read(y: number, into: Values): void {
    const shownPage = this.#transposed ? this.#raster.width : this.#pageHeight; // rows
    const page = Math.floor(y / shownPage) * this.#pageHeight;
    const first = y % shownPage;
    if (this.#transposed) this.#readColumns(page, first, into);
    else this.#readRows(page, first, into);
  }

  /** Rows from `first` on of those that are shown of the page, which begins in the raster's row `page`. */
  #readRows(page: number, first: number, into: Values): void {
    const { width, bands } = this;
    const row = this.#raster.room(1);
    for (let at = 0; at < into.length; at += row.length) {
      const y = first + at / row.length;
      this.#raster.read(page + (this.#fromBottom ? this.#pageHeight - 1 - y : y), row);
      if (!this.#fromRight) into.set(row, at);
      else
        for (let x = 0; x < width; x++)
          for (let band = 0; band < bands; band++) into[at + x * bands + band] = row[(width - 1 - x) * bands + band];
    }
  }

  /** The same where the raster's columns are shown as rows: of each of its rows the part that is in these columns. */
  #readColumns(page: number, first: number, into: Values): void {
    const { width, bands } = this;
    const columns = into.length / (width * bands);
    const part = into.slice(0, columns * bands);
    const left = this.#fromRight ? this.#raster.width - first - columns : first;
    for (let y = 0; y < this.#pageHeight; y++) {
      this.#raster.readPart(left, page + y, part);
      const x = this.#fromBottom ? width - 1 - y : y;
      for (let row = 0; row < columns; row++) {
        const from = (this.#fromRight ? columns - 1 - row : row) * bands;
        const to = (row * width + x) * bands;
        for (let band = 0; band < bands; band++) into[to + band] = part[from + band];
      }
    }
  }
}
