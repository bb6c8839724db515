// Results as files: encoded, copied, shared, and many of them in a zip.
import { CarafeError, toBlob } from 'carafe-web';
import { context2d } from './dom.js';

export const QUALITY: Readonly<Record<string, number>> = { 'image/webp': 0.9, 'image/jpeg': 0.92 };

/** @throws Error in words for the person, of a format that cannot be as large; {CarafeError} OutOfMemory */
export async function encode(canvas: OffscreenCanvas, type: string): Promise<Blob> {
  const { width, height } = canvas;
  try {
    return await toBlob(context2d(canvas).getImageData(0, 0, width, height), type, QUALITY[type]);
  } catch (error) {
    if (type === 'image/png' || !(error instanceof CarafeError && error.code === 'ImageTooLarge')) throw error;
    throw new Error(`${width} × ${height} pixels are more than this format holds: take PNG.`, { cause: error });
  }
}

/** Whether this browser writes a format. */
export async function writes(type: string): Promise<boolean> {
  const canvas = new OffscreenCanvas(1, 1);
  context2d(canvas);
  return (await canvas.convertToBlob({ type })).type === type;
}

/** The files as they are, in one: pictures are compressed already. Equal names are numbered. */
export async function zip(files: readonly File[]): Promise<Blob> {
  const { Zip, ZipPassThrough } = await import('fflate');
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const archive = new Zip((error, data) => {
    if (error) throw error;
    parts.push(data as Uint8Array<ArrayBuffer>);
  });
  const taken = new Set<string>();
  for (const file of files) {
    let { name } = file;
    for (let i = 2; taken.has(name); i++) name = file.name.replace(/(\.[^.]+)?$/, ` (${i})$1`);
    taken.add(name);
    const entry = new ZipPassThrough(name);
    archive.add(entry);
    entry.push(new Uint8Array(await file.arrayBuffer()), true);
  }
  archive.end();
  return new Blob(parts, { type: 'application/zip' });
}

export function save(blob: Blob, name: string): void {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function inWords(bytes: number): string {
  if (bytes < 1000) return `${bytes}\u00a0B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)}\u00a0kB`;
  return `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}

export function secondsInWords(seconds: number): string {
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))}\u00a0ms`;
  return seconds < 9.95 ? `${seconds.toFixed(seconds < 0.995 ? 2 : 1)}\u00a0s` : `${Math.round(seconds)}\u00a0s`;
}
