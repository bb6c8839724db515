// Values may be of another realm: an iframe's, that of `node:vm` as in jest, an edge runtime's. So they are known by
// their tag: `instanceof` knows only this realm's.
import type { Global } from './platform.js';

/**
 * 'Float32Array', 'URL', 'HTMLCanvasElement', 'WebAssembly.Module' ...: what the value's class is called, in whatever
 * realm.
 */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

export function isFloat32Array(value: unknown): value is Float32Array {
  return tagOf(value) === 'Float32Array';
}

/** f16 values, or their bits. */
export type Halves = Uint16Array | Global<'Float16Array'>;

export function isHalves(values: unknown): values is Halves {
  return ['Uint16Array', 'Float16Array'].includes(tagOf(values));
}

export function isUrl(value: unknown): value is URL {
  return tagOf(value) === 'URL';
}

/** The bytes of an ArrayBuffer or a Uint8Array (a Buffer is one), not copied; undefined for any other value. */
export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  switch (tagOf(value)) {
    case 'ArrayBuffer':
      return new Uint8Array(value as ArrayBuffer);
    case 'Uint8Array': {
      const { buffer, byteOffset, byteLength } = value as Uint8Array<ArrayBuffer>;
      return new Uint8Array(buffer, byteOffset, byteLength);
    }
    default:
      return undefined;
  }
}
