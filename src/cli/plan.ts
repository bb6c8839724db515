// Where every picture goes, decided before any work: what cannot be written, or must not be, is refused here.
import { constants } from 'node:fs';
import { access, lstat, mkdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { CarafeError } from '../index.js';
import { type Codec, reason } from './codec.js';
import { FORMATS, type FormatName, formatOfPath } from './formats.js';
import { type Header, readHeader, type Source } from './header.js';
import { type Found, openSource, STDIN } from './sources.js';
import type { Temporary } from './temporary.js';

export const STDOUT = '-';
const MAX_PIXELS = 2e9; // of one result, all pages together
const MAX_NAME_BYTES = 255; // bytes, on most file systems

export interface Output {
  /** As the user gave it; undefined: beside each picture. */
  readonly to: string | undefined;
  readonly isFolder: boolean;
  readonly format: FormatName | 'same';
  readonly exists: 'refuse' | 'replace' | 'skip';
  readonly scale: number;
}

export interface Target {
  /** As it is shown; STDOUT for standard output. */
  readonly name: string;
  /** The file itself, behind links. */
  readonly path: string;
  readonly format: FormatName;
  /** Permissions: of the file that is there, else of the source. */
  readonly mode: number;
}

export interface Job {
  readonly source: Source;
  readonly header: Header;
  readonly target: Target;
  readonly notes: readonly string[];
}

export interface Plan {
  readonly jobs: readonly Job[];
  readonly skipped: readonly { source: string; target: string }[];
  readonly failed: readonly { source: string; error: unknown }[];
}

/** A file that fails is one of `failed`. @throws {CarafeError} InvalidOption for what no file can be done with: two results in one file */
export async function plan(codec: Codec, temporary: Temporary, found: readonly Found[], output: Output): Promise<Plan> {
  const jobs: Job[] = [];
  const skipped: { source: string; target: string }[] = [];
  const failed: { source: string; error: unknown }[] = [];
  if (output.isFolder && output.to !== undefined) await makeFolder(output.to);
  const inputs = new Map<string, string>(); // of real paths
  for (const { name } of found) if (name !== STDIN) inputs.set(await realpath(name).catch(() => resolve(name)), name);
  for (const each of found) {
    try {
      const { mode, ...source } = await openSource(each.name, temporary);
      const header = await readHeader(codec, source);
      const { target, there } = await findTarget(each, header, mode, output);
      const input = inputs.get(target.path);
      if (input !== undefined) throw refused(target.name, `it is an input (${input})`);
      if (there && output.exists === 'skip') {
        skipped.push({ source: source.name, target: target.name });
        continue;
      }
      if (there && output.exists === 'refuse')
        throw refused(target.name, 'it exists: --force replaces it, --skip-existing skips it');
      const notes = check(source, header, target, output.scale);
      const pages = FORMATS[target.format].pages ? header.pages : 1;
      jobs.push({ source, header: { ...header, pages }, target, notes });
    } catch (error) {
      failed.push({ source: each.name, error });
    }
  }
  checkCollisions(jobs);
  return { jobs, skipped, failed };
}

async function findTarget(
  { name, folder }: Found,
  header: Header,
  sourceMode: number,
  { to, isFolder, format: asked, scale }: Output,
): Promise<{ target: Target; there: boolean }> {
  const byName = to !== undefined && !isFolder && to !== STDOUT ? formatOfPath(to) : undefined;
  const format = byName ?? (asked === 'same' ? (header.format ?? 'png') : asked);
  if (to === STDOUT || (to === undefined && name === STDIN))
    return { target: { name: STDOUT, path: STDOUT, format, mode: 0 }, there: false };
  const target =
    isFolder || to === undefined ? join(to ?? dirname(name), to === undefined ? '' : folder, resultName()) : to;
  if (to !== undefined && folder) await makeFolder(dirname(target));
  const { path, mode } = await locate(target);
  return {
    target: { name: target, path, format, mode: mode ?? sourceMode },
    there: mode !== undefined,
  };

  function resultName(): string {
    const extension = extname(name);
    const stem = name === STDIN ? 'stdin' : basename(name, extension);
    return `${stem}@${scale}x${formatOfPath(name) === format ? extension : FORMATS[format].extensions[0]}`;
  }
}

/** The file that a name stands for, and its permissions if it is there. @throws {CarafeError} InvalidOption for what cannot be written */
export async function locate(name: string): Promise<{ path: string; mode: number | undefined }> {
  const length = Buffer.byteLength(basename(name));
  if (length > MAX_NAME_BYTES)
    throw refused(name, `its name has ${length} bytes, more than the ${MAX_NAME_BYTES} that file systems take`);
  const path = await behindLinks(name);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) throw refused(name, 'it is a folder');
  if (stats && !stats.isFile()) throw refused(name, 'it is no ordinary file');
  await access(dirname(path), constants.W_OK).catch((error) => {
    throw refused(name, reason(error));
  });
  return { path, mode: stats && stats.mode & 0o777 };
}

/** What would be found out only after the work. What the user should know comes back. */
function check(source: Source, header: Header, { format }: Target, scale: number): string[] {
  const { side, pages: takesPages } = FORMATS[format];
  const [width, height] = [header.width * scale, header.height * scale];
  if (Math.max(width, height) > side)
    throw tooLarge(source.name, `${side} pixels a side in ${format}`, `${width}x${height}`);
  const all = width * height * (takesPages ? header.pages : 1);
  if (all > MAX_PIXELS)
    throw tooLarge(
      source.name,
      `${MAX_PIXELS / 1e9} gigapixels in all`,
      `${width}x${height}, ${(all / 1e9).toFixed(1)} gigapixels`,
    );
  if (header.pages === 1 || takesPages) return [...header.notes];
  return [
    ...header.notes,
    `it has ${header.pages} ${header.format === 'tiff' ? 'pages' : 'frames'}, of which ${format} holds one: the first`,
  ];
}

function checkCollisions(jobs: readonly Job[]): void {
  const taken = new Map<string, Job>();
  for (const job of jobs) {
    if (job.target.path === STDOUT) continue;
    const key = ['darwin', 'win32'].includes(process.platform) ? job.target.path.toLowerCase() : job.target.path;
    const other = taken.get(key);
    if (other)
      throw new CarafeError(
        'InvalidOption',
        `Expected a file for each result, got ${JSON.stringify(job.target.name)} for both ${JSON.stringify(other.source.name)} and ${JSON.stringify(job.source.name)}: nothing was done (--format same keeps them apart, or use two runs with -o)`,
      );
    taken.set(key, job);
  }
}

/** Where a path leads, whether or not there is a file. */
async function behindLinks(path: string): Promise<string> {
  for (let at = resolve(path), hops = 0; ; hops++) {
    const stats = await lstat(at).catch(() => undefined);
    if (!stats?.isSymbolicLink() || hops > 40) {
      const folder = await realpath(dirname(at)).catch((error) => {
        throw refused(path, reason(error));
      });
      return join(folder, basename(at));
    }
    at = resolve(dirname(at), await readlink(at));
  }
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    throw refused(path, reason(error));
  });
}

export function refused(target: string, why: string): CarafeError {
  return new CarafeError(
    'InvalidOption',
    `Expected a file that may be written for "output", got ${JSON.stringify(target)}: ${why}`,
  );
}

function tooLarge(source: string, limit: string, got: string): CarafeError {
  return new CarafeError(
    'ImageTooLarge',
    `Expected a result of at most ${limit}, got ${got} for ${JSON.stringify(source)}`,
  );
}
