// The right side's result as a file: its format, the download, copies and shares.
import { messageOf } from './cards.js';
import { byId, choose, chosen } from './dom.js';
import { encode, inWords, QUALITY, writes } from './output.js';

const link = byId<HTMLAnchorElement>('download');
const status = byId('status');

const checked = checkFormats();

let result: OffscreenCanvas | undefined;
let file: File | undefined; // the result, encoded

/** @param change another format is asked for */
export function addDownload(change: () => void): void {
  byId('format').addEventListener('change', change);
  for (const [type, quality] of Object.entries(QUALITY)) {
    const label = document.querySelector(`input[name="format"][value="${type}"] + span`)!;
    label.textContent += ` ${quality * 100}`;
  }
  byId('copy').addEventListener('click', copy);
  byId('copy').hidden = !('clipboard' in navigator && 'ClipboardItem' in globalThis);
  byId('share').addEventListener('click', share);
}

/** Only what this browser writes is on offer: Safari writes no WebP. */
async function checkFormats(): Promise<void> {
  if (await writes('image/webp')) return;
  document.querySelector('input[value="image/webp"]')!.closest('label')!.remove();
  choose('format', 'image/png');
}

/** @param name of the file for a type */
export async function prepareFile(
  canvas: OffscreenCanvas,
  name: (type: string) => string,
  signal: AbortSignal,
): Promise<void> {
  await checked;
  const type = chosen('format');
  clearFile();
  link.textContent = 'Encoding …';
  try {
    const blob = await encode(canvas, type);
    if (signal.aborted || type !== chosen('format')) return;
    result = canvas;
    setFile(new File([blob], name(type), { type }));
  } catch (error) {
    if (signal.aborted) return;
    link.textContent = 'Not in this format';
    status.textContent = messageOf(error);
  }
}

/** What there was is no longer on offer. */
export function clearFile(): void {
  result = undefined;
  setFile(undefined);
}

function setFile(next: File | undefined): void {
  if (file) URL.revokeObjectURL(link.href);
  file = next;
  const ready = file !== undefined;
  link.setAttribute('aria-disabled', `${!ready}`);
  for (const id of ['copy', 'share', 'zip']) byId<HTMLButtonElement>(id).disabled = !ready;
  byId('share').hidden = !(file && navigator.canShare?.({ files: [file] }));
  if (file) {
    link.href = URL.createObjectURL(file);
    link.download = file.name;
    link.textContent = `Download ${file.name}, ${inWords(file.size)}`;
  } else {
    link.removeAttribute('href');
    link.removeAttribute('download');
    link.textContent = 'Download';
  }
}

async function copy(): Promise<void> {
  if (!result) return;
  try {
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': encode(result, 'image/png') })]);
    status.textContent = 'Copied as PNG.';
  } catch (error) {
    status.textContent = `Not copied: ${messageOf(error)}`;
  }
}

async function share(): Promise<void> {
  if (!file) return;
  try {
    await navigator.share({ files: [file] });
  } catch (error) {
    if ((error as Error).name !== 'AbortError') status.textContent = `Not shared: ${messageOf(error)}`;
  }
}
