// The command line in a folder of its own, and pictures for it.
import type { RawImage } from 'carafe-web';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll } from 'vitest';
import { testImage } from '../api/support.js';

export const CLI = new URL('../../dist/cli.js', import.meta.url).pathname;

export interface Outcome {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that goes after the tests of the file; temporary files go into another, which has to be empty then. */
export function sandbox() {
  const folder = mkdtempSync(join(tmpdir(), 'carafe-web-cli-'));
  const temporary = mkdtempSync(join(tmpdir(), 'carafe-web-temporary-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(temporary, { recursive: true, force: true });
  });
  const path = (...names: string[]): string => join(folder, ...names);
  const run = (...args: string[]): Promise<Outcome> => runIn(folder, temporary, args);
  return { folder, temporary, path, run };
}

function runIn(cwd: string, TMPDIR: string, args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...process.execArgv.filter((flag) => flag.includes('wasm')), CLI, ...args], // the same build of the kernels as here
      { cwd, env: { ...process.env, TMPDIR }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal ?? -1) : 0, stdout, stderr }),
    );
  });
}

/** RGB of the test picture. */
export function picture(width = 24, height = 16): Sharp {
  return sharp(rgb(width, height), { raw: { width, height, channels: 3 } });
}

export function rgb(width: number, height: number): Buffer {
  const { data } = testImage(width, height);
  return Buffer.from(data.filter((_, i) => i % 4 !== 3));
}

export interface Read {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** A file's values as they are stored, not converted by their profile. */
export async function stored(file: string | Buffer): Promise<Read> {
  const { data, info } = await sharp(file).keepIccProfile().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

export async function rgba(file: string | Buffer): Promise<RawImage> {
  const { data, info } = await sharp(file).keepIccProfile().ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
}
