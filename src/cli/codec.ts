// sharp, which reads and writes picture files, and the options that every use of it has.
import type sharp from 'sharp';
import { CarafeError } from '../index.js';

export type Codec = typeof sharp;

/** A decoder's warnings are no failures ('error': as browsers do); cut-off files are. Sizes are checked by plan.ts. */
export const READING = { failOn: 'error', limitInputPixels: false } as const;

/** @throws {CarafeError} BackendUnavailable */
export async function loadCodec(): Promise<Codec> {
  let codec: Codec;
  try {
    codec = (await import('sharp')).default;
  } catch {
    throw missing('none');
  }
  if (!codec.prototype.autoOrient) throw missing(codec.versions.sharp ?? 'an older one');
  codec.cache(false); // every file is read once
  return codec;
}

function missing(got: string): CarafeError {
  return new CarafeError(
    'BackendUnavailable',
    `Expected the package "sharp" of version 0.34 or later, which reads and writes picture files, got ${got}: npm install sharp`,
  );
}

/** What went wrong, in one line: the first, and where libvips has one the system's. */
export function reason(error: unknown): string {
  const [first, ...others] = (error as Error).message.trim().split('\n');
  const system = others.map((line) => line.match(/^(?:system|unix) error: (.+)/)?.[1]).find(Boolean);
  return system ? `${first} (${system.trim()})` : first;
}
