// The one file that a command makes: where it goes is decided before the work, and it is there whole or not at all.
import { realpath, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { locate, refused } from './plan.js';
import { Temporary } from './temporary.js';

export interface Place {
  readonly name: string;
  readonly path: string;
  readonly mode: number;
  readonly replace: boolean;
}

/** @throws {CarafeError} InvalidOption: it exists and may not be replaced, it is the input, or it cannot be written */
export async function planResult(name: string, input: string, replace: boolean): Promise<Place> {
  const { path, mode } = await locate(name);
  if (path === (await realpath(input).catch(() => resolve(input)))) throw refused(name, 'it is the input');
  if (mode !== undefined && !replace) throw refused(name, 'it exists: --force replaces it');
  return { name, path, mode: mode ?? 0o666 & ~process.umask(), replace };
}

/** @throws {CarafeError} InvalidOption */
export async function writeResult({ name, path, mode, replace }: Place, bytes: Uint8Array): Promise<void> {
  const temporary = new Temporary();
  try {
    const partial = temporary.partial(path);
    await writeFile(partial, bytes, { mode: 0o600 });
    await temporary.place(partial, path, { mode, replace });
  } catch (error) {
    throw refused(name, (error as Error).message);
  } finally {
    temporary.dispose();
  }
}
