// Where the rows of a tensor lie while a plan is carried out.
import type { Shape } from '../../core/tensor.js';

/**
 * What is left of a tensor [n, h, w, c] in memory: the newest `slots` rows of each image, each with `margin` zero
 * columns on both sides.
 */
export class Ring {
  /** Bytes from a row to the next. */
  readonly rowBytes: number;
  readonly #base: number;
  readonly #zeros: number;
  readonly #height: number;
  readonly #slots: number;
  readonly #margin: number;
  readonly #pixelBytes: number;

  /** @param zeros address of a row of zeros */
  constructor([, height, width, channels]: Shape, slots: number, margin: number, base: number, zeros: number) {
    this.#base = base;
    this.#zeros = zeros;
    this.#height = height;
    this.#slots = slots;
    this.#margin = margin;
    this.#pixelBytes = channels * 4;
    this.rowBytes = (width + 2 * margin) * channels * 4;
  }

  /** Address of column x, which may lie in the margin, of row y; of zeros if there is no such row. */
  at(image: number, y: number, x: number): number {
    if (y < 0 || y >= this.#height) return this.#zeros;
    return (
      this.#base + (image * this.#slots + (y % this.#slots)) * this.rowBytes + (x + this.#margin) * this.#pixelBytes
    );
  }
}
