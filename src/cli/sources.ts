// What the user named -> picture files: files as they are, folders' pictures, globs that no shell has expanded, - for standard input.
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { convertPathToPattern, glob, isDynamicPattern } from 'tinyglobby';
import { reason } from './codec.js';
import { PICTURE_EXTENSIONS } from './formats.js';
import { type Source, unsupported } from './header.js';
import type { Temporary } from './temporary.js';

export const STDIN = '-';
const ENLARGED = /@[234]x$/; // what our own results are called

export interface Found {
  readonly name: string;
  /** Where it lies below the folder that was named; '' for what was named itself. */
  readonly folder: string;
}

/** @throws {CarafeError} UnsupportedImage for a folder or glob with no picture in it */
export async function findSources(
  names: readonly string[],
  { recursive, except }: { recursive: boolean; except?: string },
): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const given of names) {
    const name = given.startsWith('file://') ? fileURLToPath(given) : given;
    for (const each of await expand(name, recursive, except)) {
      const key = each.name === STDIN ? STDIN : resolve(each.name);
      if (!found.has(key)) found.set(key, each);
    }
  }
  return [...found.values()];
}

async function expand(name: string, recursive: boolean, except: string | undefined): Promise<Found[]> {
  if (name === STDIN || /^[a-z]+:\/\//i.test(name)) return [{ name, folder: '' }]; // URLs fail, with a message, when they are opened
  const stats = await stat(name).catch(() => undefined);
  if (stats?.isDirectory()) return picturesIn(name, recursive, except);
  if (stats || !isDynamicPattern(name)) return [{ name, folder: '' }];
  const pattern = sep === '\\' ? convertPathToPattern(name).replaceAll('\\*', '*') : name;
  const files = (await glob(pattern, { expandDirectories: false, caseSensitiveMatch: true })).sort();
  if (files.length === 0) throw unsupported(name, 'no file fits');
  return files.map((file) => ({ name: file, folder: '' }));
}

/** Pictures by their extensions, without hidden files and without what an earlier run made of another one. */
async function picturesIn(root: string, recursive: boolean, except: string | undefined): Promise<Found[]> {
  const found: Found[] = [];
  const folders = [root];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
    const stems = new Set(entries.map(({ name }) => basename(name, extname(name))));
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (recursive && resolve(path) !== except) folders.push(path);
        continue;
      }
      const stem = basename(entry.name, extname(entry.name));
      const ours = ENLARGED.test(stem) && stems.has(stem.replace(ENLARGED, ''));
      if (!ours && PICTURE_EXTENSIONS.includes(extname(entry.name).toLowerCase()))
        found.push({ name: path, folder: relative(root, dirname(path)) });
    }
  }
  if (found.length === 0)
    throw unsupported(
      root,
      recursive ? 'no picture is in this folder' : 'no picture is in this folder (--recursive looks further down)',
    );
  return found;
}

/** What can be read only once, standard input or a pipe, goes into a temporary file. @throws {CarafeError} UnsupportedImage */
export async function openSource(name: string, temporary: Temporary): Promise<Source & { mode: number }> {
  if (/^[a-z]+:\/\//i.test(name) && !existsSync(name)) throw unsupported(name, 'it is a URL: download it first');
  const shown = name === STDIN ? 'standard input' : name;
  try {
    let path = name;
    let mode = 0o666 & ~process.umask();
    const stats = name === STDIN ? undefined : await stat(name);
    if (stats?.isDirectory()) throw new Error('it is a folder');
    if (stats?.isFile()) {
      mode = stats.mode & 0o777;
    } else {
      path = temporary.file();
      await pipeline(stats ? createReadStream(name) : process.stdin, createWriteStream(path, { mode: 0o600 }));
    }
    if ((await stat(path)).size === 0) throw new Error('it is empty');
    return { name: shown, path, mode };
  } catch (error) {
    throw unsupported(shown, reason(error));
  }
}
