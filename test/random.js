// Data of tests and benchmarks from a seed, so that a failing case is the same case everywhere: mulberry32, and FNV-1a
// to seed it from a name. Plain JavaScript: pages load it as it is.

/** @param {string} name */
export function seedOf(name) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** @param {number} low @param {number} high */
  uniform(low, high) {
    return low + (high - low) * this.next();
  }

  /** Both ends included. @param {number} low @param {number} high */
  integer(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Of mean 0 and standard deviation 1. */
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** @param {number} length */
  values(length, low = -1, high = 1) {
    return Float32Array.from({ length }, () => this.uniform(low, high));
  }

  /** @param {number} length */
  bytes(length) {
    return Uint8Array.from({ length }, () => this.integer(0, 255));
  }
}

/**
 * The picture that tests and benchmarks enlarge: smooth shapes, edges and a little noise, something a network reacts to.
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => number} alphaOf
 * @returns {{ data: ReturnType<Uint8ClampedArray['slice']>, width: number, height: number }} RGBA
 */
export function testImage(width, height, alphaOf = () => 255) {
  const random = new Random(width * 31 + height);
  const noise = () => random.uniform(0, 8);
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = 4 * (y * width + x);
      const edge = (x - width / 2) ** 2 + (y - height / 3) ** 2 < (width / 4) ** 2 ? 90 : 0;
      data[i] = 128 + 100 * Math.sin(x / 5) + edge + noise();
      data[i + 1] = 128 + 100 * Math.cos(y / 7) - edge + noise();
      data[i + 2] = ((x + y) % 16 < 8 ? 60 : 190) + noise();
      data[i + 3] = alphaOf(x, y);
    }
  }
  return { data, width, height };
}
