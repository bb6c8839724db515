// The demo page: what was opened, what was asked for, and the order in which things happen. The parts are in the other
// files: stage (drawing), gestures (input), enlarge (the library), output (files), cards (what went wrong).
import type { PixelExplanation } from 'carafe-web';
import { type ActionName, type Action, messageOf, notAPicture, type Problem, problemOf, showCard } from './cards.js';
import { byId, choose, chosen } from './dom.js';
import {
  Enlarger,
  isModel,
  type Method,
  METHOD_NAMES,
  type Model,
  MODELS,
  type Result,
  type Settings,
} from './enlarge.js';
import { addDivider, addGestures, addZoomButtons, showDivider } from './gestures.js';
import { addIntake } from './intake.js';
import { Loupe } from './loupe.js';
import { encode, inWords, QUALITY, save, secondsInWords, writes, zip } from './output.js';
import { openPicture, type Picture, pixelsOf, resultName, thumbnailOf } from './picture.js';
import { SAMPLES } from './samples.js';
import { Stage } from './stage.js';

type SideName = 'left' | 'right';

const KEPT = 80e6; // pixels of results that are kept, so that going back is instant

const view = byId('view');
const status = byId('status');
const progress = byId<HTMLProgressElement>('progress');
const restoreAuto = byId<HTMLInputElement>('restore-auto');
const restoreValue = byId<HTMLInputElement>('restore-value');
const download = byId<HTMLAnchorElement>('download');
const selects: Record<SideName, HTMLSelectElement> = { left: byId('left'), right: byId('right') };

const stage = new Stage(byId('canvas'));
const enlarger = new Enlarger();
const loupe = new Loupe(view, stage); // before the gestures: while it is on, arrow keys are its own
const results = new Map<string, Result>();
let pictures: Picture[] = [];
let current: Picture | undefined;
let model: Model = 'base';
let running: AbortController | undefined;
let file: File | undefined; // the right side's result, encoded

const settings = (): Settings => ({
  scale: Number(chosen('scale')) as Settings['scale'],
  backend: chosen('backend') as Settings['backend'],
  restore: restoreAuto.checked ? 'auto' : restoreValue.valueAsNumber,
});
const methodOf = (side: SideName): Method => selects[side].value as Method;

// ---- Opening -------------------------------------------------------------------------------------------------------

async function open(files: readonly { name: string; blob: Blob }[]): Promise<void> {
  running?.abort();
  const opened: Picture[] = [];
  const failed: Problem[] = [];
  for (const { name, blob } of files) {
    try {
      opened.push(await openPicture(blob, name));
    } catch (error) {
      failed.push(notAPicture(name, blob, error));
    }
  }
  for (const { bitmap } of pictures) bitmap.close();
  results.clear();
  pictures = opened;
  showFilm();
  if (opened.length === 0) return fail(failed[0]);
  await show(opened[0]);
  if (failed.length > 0)
    status.textContent = `${failed.length} of ${files.length}: ${failed.map(({ title }) => title).join('; ')}`;
}

async function openSample(index: number): Promise<void> {
  const { name, load } = SAMPLES[index];
  try {
    const blob = await load();
    await open([{ name, blob }]);
    for (const [i, button] of [...byId('samples').children].entries())
      button.setAttribute('aria-pressed', `${i === index}`);
  } catch (error) {
    fail(problemOf(error, ''));
  }
}

async function show(picture: Picture): Promise<void> {
  const isNew = picture !== current;
  current = picture;
  for (const button of document.querySelectorAll('#film button'))
    button.setAttribute('aria-current', `${button.id === `picture-${picture.id}`}`);
  for (const button of byId('samples').children) button.setAttribute('aria-pressed', 'false');
  byId('name').textContent = picture.name;
  byId('name').title = picture.name;
  if (isNew) {
    stage.left = stage.right = undefined;
    stage.resize(0, 0);
    stage.fit();
  }
  await enlarge();
}

// ---- Enlarging -----------------------------------------------------------------------------------------------------

/** Both sides as they are asked for now. */
async function enlarge(): Promise<void> {
  if (!current) return;
  const picture = current;
  running?.abort();
  const controller = (running = new AbortController());
  const { signal } = controller;
  const { scale } = settings();
  const [width, height] = [picture.width * scale, picture.height * scale];
  byId('cards').replaceChildren();
  document.body.removeAttribute('data-empty');
  byId('size').textContent = `${picture.width} × ${picture.height} → ${width} × ${height}`;
  view.setAttribute('aria-label', `${picture.name}, ${width} by ${height} pixels`);
  announceSides();
  setFile(undefined);
  setRunning(true);
  try {
    stage.resize(width, height);
    const [, result] = await Promise.all([oneSide('left', picture, signal), oneSide('right', picture, signal)]);
    signal.throwIfAborted();
    status.textContent = `${width} × ${height} in ${secondsInWords(result.seconds)}: ${result.how}`;
    setRunning(false);
    showRestore(result);
    loupe.refresh();
    await Promise.all([prepareFile(picture, result, signal), showTimes()]);
    void measureOthers(signal);
  } catch (error) {
    if (signal.aborted) return; // something newer has begun, or Escape
    controller.abort();
    setRunning(false);
    fail(problemOf(error, `${width} × ${height}`));
  }
}

async function oneSide(side: SideName, picture: Picture, signal: AbortSignal): Promise<Result> {
  const method = methodOf(side);
  const show = (canvas: OffscreenCanvas): void => {
    if (signal.aborted) return;
    stage[side] = { source: canvas, crisp: method === 'nearest' };
    stage.draw();
  };
  const onProgress = (share: number): void => {
    if (side === 'right') progress.value = share;
    stage.draw();
  };
  const { scale, backend, restore } = settings();
  const key = [picture.id, method, scale, ...(isModel(method) ? [backend, restore] : [])].join();
  const known = results.get(key);
  const result = known ?? (await enlarger.enlarge(picture, method, settings(), { signal, onCanvas: show, onProgress }));
  show(result.canvas);
  keep(key, result);
  return result;
}

function keep(key: string, result: Result): void {
  results.delete(key);
  results.set(key, result); // the newest is last
  let pixels = [...results.values()].reduce((sum, { canvas }) => sum + canvas.width * canvas.height, 0);
  for (const [old, { canvas }] of results) {
    if (pixels <= KEPT || results.size <= 2) break;
    results.delete(old);
    pixels -= canvas.width * canvas.height;
  }
}

function setRunning(on: boolean): void {
  progress.value = 0;
  progress.hidden = !on;
  byId('working').hidden = !on;
  byId('again').hidden = true;
  byId('save').hidden = on;
  if (on) status.textContent = 'Enlarging …';
}

function cancel(): void {
  if (!running || running.signal.aborted || progress.hidden) return;
  running.abort();
  setRunning(false);
  byId('save').hidden = true;
  byId('again').hidden = false;
  status.textContent = 'Cancelled.';
}

/** What goes wrong takes the picture away: nothing on the stage is ever of another file than the message. */
function fail(problem: Problem): void {
  running?.abort();
  setRunning(false);
  stage.clear();
  loupe.turn(false);
  setFile(undefined);
  document.body.setAttribute('data-empty', '');
  status.textContent = '';
  byId('size').textContent = '';
  if (!pictures.includes(current!)) {
    current = undefined;
    byId('name').textContent = 'carafe-web';
  }
  view.setAttribute('aria-label', 'No picture');
  for (const button of byId('samples').children) button.setAttribute('aria-pressed', 'false');
  for (const small of document.querySelectorAll('#panel small')) small.textContent = '';
  showCard(byId('cards'), problem, ACTIONS);
}

const ACTIONS: Readonly<Record<ActionName, Action>> = {
  open: { label: 'Open another', run: () => byId('file').click() },
  sample: { label: 'Show a sample', run: () => openSample(0) },
  again: { label: 'Try again', run: () => (current ? enlarge() : openSample(0)) },
  smaller: { label: 'Take 2×', run: () => change('scale', '2') },
  wasm: { label: 'Run on wasm', run: () => change('backend', 'wasm') },
};

function change(name: string, value: string): void {
  choose(name, value);
  void enlarge();
}

// ---- The panel -----------------------------------------------------------------------------------------------------

/** The times that are known, and why a backend was not taken. */
async function showTimes(): Promise<void> {
  if (!current) return;
  const { scale, backend } = settings();
  if (backend === 'auto' && isModel(methodOf('right'))) {
    const { info } = await enlarger.session(model, settings());
    enlarger.times.auto = info.backend;
    const reasons = info.rejected.filter((each) => each.backend !== 'reference');
    byId('why').textContent = reasons.map((each) => `${nameOf(each.backend)}: ${each.reason}`).join('; ');
    for (const name of ['webgpu', 'wasm'] as const) {
      const missing = name !== info.backend && !(name in info.timings);
      document.querySelector<HTMLInputElement>(`input[name="backend"][value="${name}"]`)!.disabled = missing;
    }
    const { webgpu, wasm } = info.timings;
    if (webgpu && wasm) {
      const ratio = info.backend === 'wasm' ? webgpu / wasm : wasm / webgpu;
      enlarger.times.compared(model, scale, info.backend, ratio);
    }
  }
  for (const label of document.querySelectorAll('#effort label')) {
    const { value } = label.querySelector('input')!;
    showTime(label, enlarger.times.expected(current, value as Model, { scale, backend }));
  }
  for (const label of document.querySelectorAll('#backend label')) {
    const { value, disabled } = label.querySelector('input')!;
    const time = enlarger.times.expected(current, model, { scale, backend: value as Settings['backend'] });
    if (disabled) label.querySelector('small')!.textContent = 'none here';
    else showTime(label, time);
  }
}

/** What 'auto' found, or what was asked for. */
function showRestore({ restore }: Result): void {
  byId<HTMLFieldSetElement>('restore').disabled = !restore;
  if (restore && restoreAuto.checked) restoreValue.valueAsNumber = restore.value;
  showDial();
  byId('found').textContent = restore && restoreAuto.checked ? `Found: ${restore.reason}.` : '';
}

function showDial(): void {
  byId<HTMLOutputElement>('restore-shown').value = restoreValue.valueAsNumber.toFixed(2);
}

function showTime(label: Element, seconds: number | undefined): void {
  label.querySelector('small')!.textContent = seconds === undefined ? '' : secondsInWords(seconds);
}

function nameOf(backend: string): string {
  return backend === 'webgpu' ? 'WebGPU' : backend;
}

/** The other models' times, when nothing else is to be done. */
async function measureOthers(signal: AbortSignal): Promise<void> {
  const idle = async (): Promise<boolean> => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return !signal.aborted && document.visibilityState === 'visible';
  };
  try {
    await enlarger.measure(settings(), idle);
    if (!signal.aborted) await showTimes();
  } catch {
    // offline, or no memory: times are missing then, nothing else
  }
}

function announceSides(): void {
  const right = methodOf('right');
  choose('effort', isModel(right) ? right : '');
  showDivider(byId('grip'), byId('divider'), stage, sideNames());
}

function sideNames(): [string, string] {
  return [METHOD_NAMES[methodOf('left')], METHOD_NAMES[methodOf('right')]];
}

// ---- Results as files ----------------------------------------------------------------------------------------------

async function prepareFile(picture: Picture, { canvas }: Result, signal: AbortSignal): Promise<void> {
  const type = chosen('format');
  setFile(undefined);
  download.textContent = 'Encoding …';
  try {
    const blob = await encode(canvas, type);
    if (signal.aborted || type !== chosen('format')) return;
    setFile(new File([blob], resultName(picture.name, settings().scale, type), { type }));
  } catch (error) {
    if (signal.aborted) return;
    download.textContent = 'Not in this format';
    status.textContent = messageOf(error);
  }
}

function setFile(next: File | undefined): void {
  if (file) URL.revokeObjectURL(download.href);
  file = next;
  const ready = file !== undefined;
  download.setAttribute('aria-disabled', `${!ready}`);
  for (const id of ['copy', 'share', 'zip']) byId<HTMLButtonElement>(id).disabled = !ready;
  byId('share').hidden = !(file && navigator.canShare?.({ files: [file] }));
  if (file) {
    download.href = URL.createObjectURL(file);
    download.download = file.name;
    download.textContent = `Download ${file.name}, ${inWords(file.size)}`;
  } else {
    download.removeAttribute('href');
    download.removeAttribute('download');
    download.textContent = 'Download';
  }
}

/** The right side's result, if it is whole. */
function resultNow(): Result | undefined {
  if (!current || !file) return undefined;
  return [...results.values()].find(({ canvas }) => canvas === stage.right?.source);
}

async function copy(): Promise<void> {
  const result = resultNow();
  if (!result) return;
  try {
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': encode(result.canvas, 'image/png') })]);
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

/** Every picture of the film strip as the right side is now. */
async function saveAll(): Promise<void> {
  const controller = (running = new AbortController());
  const { signal } = controller;
  const [type, scale, method] = [chosen('format'), settings().scale, methodOf('right')];
  setRunning(true);
  try {
    const files: File[] = [];
    for (const [i, picture] of pictures.entries()) {
      status.textContent = `Enlarging ${i + 1} of ${pictures.length}: ${picture.name}`;
      const onProgress = (share: number): void => {
        progress.value = (i + share) / pictures.length;
      };
      const { canvas } = await enlarger.enlarge(picture, method, settings(), {
        signal,
        onCanvas: () => {},
        onProgress,
      });
      files.push(new File([await encode(canvas, type)], resultName(picture.name, scale, type), { type }));
      signal.throwIfAborted();
    }
    const archive = await zip(files);
    save(archive, `enlarged@${scale}x.zip`);
    setRunning(false);
    status.textContent = `${files.length} pictures in enlarged@${scale}x.zip, ${inWords(archive.size)}.`;
  } catch (error) {
    if (signal.aborted) return;
    setRunning(false);
    status.textContent = messageOf(error);
  }
}

// ---- Wiring --------------------------------------------------------------------------------------------------------

function showFilm(): void {
  const film = byId('film');
  film.hidden = pictures.length < 2;
  byId('zip').hidden = pictures.length < 2;
  film.replaceChildren(
    ...pictures.map((picture) => {
      const button = Object.assign(document.createElement('button'), { type: 'button', id: `picture-${picture.id}` });
      button.setAttribute('aria-label', picture.name);
      button.append(picture.thumbnail);
      button.addEventListener('click', () => show(picture));
      const item = document.createElement('li');
      item.append(button);
      return item;
    }),
  );
}

function build(): void {
  for (const side of ['left', 'right'] as const) {
    const options = Object.entries(METHOD_NAMES).map(([value, text]) => new Option(text, value));
    selects[side].append(...options);
    selects[side].addEventListener('change', () => {
      const method = methodOf(side);
      if (side === 'right' && isModel(method)) model = method;
      void enlarge();
    });
  }
  selects.left.value = 'bicubic';
  selects.right.value = model;
  byId('effort').append(
    ...MODELS.map((name) => {
      const label = document.createElement('label');
      const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'effort', value: name });
      const text = Object.assign(document.createElement('span'), { textContent: name });
      text.append(document.createElement('small'));
      label.append(input, text);
      return label;
    }),
  );
  byId('effort').addEventListener('change', () => {
    model = chosen('effort') as Model;
    selects.right.value = model;
    void enlarge();
  });
  for (const id of ['scale', 'backend']) byId(id).addEventListener('change', () => enlarge());
  restoreAuto.addEventListener('change', () => enlarge());
  restoreValue.addEventListener('input', () => {
    restoreAuto.checked = false;
    showDial();
  });
  restoreValue.addEventListener('change', () => enlarge()); // not while it is dragged
  byId('format').addEventListener('change', () => {
    const result = [...results.values()].find(({ canvas }) => canvas === stage.right?.source);
    if (current && result && running) void prepareFile(current, result, running.signal);
  });
  for (const [type, quality] of Object.entries(QUALITY)) {
    const label = document.querySelector(`input[name="format"][value="${type}"] + span`)!;
    label.textContent += ` ${quality * 100}`;
  }
  byId('cancel').addEventListener('click', cancel);
  byId('retry').addEventListener('click', () => enlarge());
  byId('copy').addEventListener('click', copy);
  byId('copy').hidden = !('clipboard' in navigator && 'ClipboardItem' in globalThis);
  byId('share').addEventListener('click', share);
  byId('zip').addEventListener('click', saveAll);
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') cancel();
  });
  addEventListener('online', () => {
    if (document.body.hasAttribute('data-empty')) ACTIONS.again.run();
  });
}

/** What the loupe looks at: the picture as the chosen model enlarges it. */
function followPicture(): void {
  let pixels: { of: Picture; image: ImageData } | undefined;
  loupe.source = () => {
    if (!current || document.body.hasAttribute('data-empty')) return undefined;
    const picture = current;
    const { scale } = settings();
    const explain = async (x: number, y: number): Promise<PixelExplanation> => {
      if (pixels?.of !== picture) pixels = { of: picture, image: pixelsOf(picture) };
      return (await enlarger.session(model, settings())).explain(pixels.image, x, y, {
        restore: restoreValue.valueAsNumber,
      });
    };
    return { scale, width: picture.width * scale, height: picture.height * scale, explain };
  };
}

/** On phones the panel covers a part of the stage. */
function followSheet(): void {
  const panel = byId('panel');
  const button = byId('sheet');
  const setOpen = (on: boolean): void => {
    panel.dataset.open = `${on}`;
    button.setAttribute('aria-expanded', `${on}`);
  };
  button.addEventListener('click', () => setOpen(panel.dataset.open !== 'true'));
  button.addEventListener('pointerdown', (event) => button.setPointerCapture(event.pointerId));
  let dragged = 0;
  button.addEventListener('pointermove', (event) => {
    if (!button.hasPointerCapture(event.pointerId)) return;
    dragged += event.movementY;
    if (Math.abs(dragged) > 24) {
      setOpen(dragged < 0);
      dragged = 0;
    }
  });
  button.addEventListener('pointerup', () => (dragged = 0));
  byId('cards').addEventListener('focusin', () => setOpen(false));
  byId('loupe').addEventListener('click', () => setOpen(false)); // it looks at the picture
  new ResizeObserver(() => {
    const covers = getComputedStyle(panel).position === 'fixed';
    const height = covers && panel.dataset.open === 'false' ? panel.offsetHeight : 0;
    if (covers && panel.dataset.open === 'true') return; // the picture stays where it was
    document.documentElement.style.setProperty('--sheet', `${height}px`);
    stage.covered = height;
    if (stage.fitted) stage.fit();
  }).observe(panel);
}

async function addSamples(): Promise<void> {
  const place = byId('samples');
  place.append(
    ...SAMPLES.map(({ label }, i) => {
      const button = Object.assign(document.createElement('button'), { type: 'button' });
      button.append(Object.assign(document.createElement('canvas'), { width: 104, height: 78 }), label);
      button.addEventListener('click', () => openSample(i));
      return button;
    }),
  );
}

/** After the first result: they are small, but it is first. */
async function drawSamples(): Promise<void> {
  for (const [i, { load }] of SAMPLES.entries()) {
    const bitmap = await load().then(createImageBitmap, () => undefined);
    if (!bitmap) continue;
    byId('samples')
      .children[i].querySelector('canvas')!
      .replaceWith(thumbnailOf(bitmap, 104, 78));
    bitmap.close();
  }
}

async function start(): Promise<void> {
  build();
  followSheet();
  followPicture();
  addGestures(view, stage);
  addZoomButtons(byId('zoom'), byId('percent'), stage);
  addDivider(byId('grip'), byId('divider'), stage, sideNames);
  addIntake((files) => open(files.map((each) => ({ name: each.name || 'pasted.png', blob: each }))));
  await addSamples();
  await openSample(0);
  await drawSamples();
  if (!(await writes('image/webp'))) {
    document.querySelector('input[value="image/webp"]')!.closest('label')!.remove();
    choose('format', 'image/png');
  }
  if ('serviceWorker' in navigator && window.isSecureContext) {
    navigator.serviceWorker.register('service-worker.js').catch(() => {});
    await navigator.serviceWorker.ready;
    byId('offline').textContent = 'The page works offline.';
  }
}

void start();
