// The demo page: what was opened, and the order in which things happen. The parts are in the other files: stage (drawing),
// gestures (input), enlarge (the library), panel (what is asked for), download (files), cards (what went wrong).
import type { PixelExplanation } from 'carafe-web';
import {
  type Action,
  type ActionName,
  messageOf,
  notAPicture,
  type Problem,
  problemOf,
  showCard,
  videoProblem,
} from './cards.js';
import { byId, choose, chosen } from './dom.js';
import { addDownload, clearFile, prepareFile } from './download.js';
import { Enlarger, isModel, type Method, type Result, type Size } from './enlarge.js';
import { markPicture, showFilm } from './film.js';
import { addDivider, addGestures, addZoomButtons, showDivider } from './gestures.js';
import { addIntake, isVideo } from './intake.js';
import type { Loupe, LoupeSource } from './loupe.js';
import { encode, inWords, save, secondsInWords, zip } from './output.js';
import {
  addPanel,
  chosenModel,
  clearTimes,
  dial,
  methodOf,
  setMethod,
  settings,
  showRestore,
  showTimes,
  showVideoRestore,
  type SideName,
  sideNames,
} from './panel.js';
import { openPicture, type Picture, pixelsOf, resultName } from './picture.js';
import { addSamples, drawSamples, markSample, SAMPLES } from './samples.js';
import { addSheet } from './sheet.js';
import { Stage } from './stage.js';
import type { Player } from './video.js';

const KEPT = 80e6; // pixels of results that are kept, so that going back is instant

const view = byId('view');
const status = byId('status');
const progress = byId<HTMLProgressElement>('progress');

const stage = new Stage(byId('canvas'));
const enlarger = new Enlarger();
const results = new Map<string, Result>();
let pictures: Picture[] = [];
let current: Picture | undefined;
let loupe: Loupe | undefined; // once it was asked for
let running: AbortController | undefined;
let coming: AbortSignal | undefined; // of what is being opened; aborted once that is there, or given up
let video: { player: Player; name: string; methodBefore: Method } | undefined; // over the picture, while it plays

// ---- Opening -------------------------------------------------------------------------------------------------------

/** What was asked for before is given up. */
function begin(): AbortSignal {
  running?.abort();
  running = new AbortController();
  return running.signal;
}

function beginOpening(): AbortSignal {
  coming = begin();
  return coming;
}

/** @param sample its place, if it is one */
async function open(files: readonly File[], sample?: number): Promise<void> {
  if (isVideo(files[0]))
    return play(files[0].name, 'clip', ({ openClip }, signal) => openClip(files[0], stage, signal));
  const signal = beginOpening();
  const opened: Picture[] = [];
  const failed: Problem[] = [];
  for (const file of files) {
    try {
      opened.push(await openPicture(file, file.name));
    } catch (error) {
      failed.push(notAPicture(file, error));
    }
    if (signal.aborted) return;
  }
  closeVideo();
  for (const { bitmap } of pictures) bitmap.close();
  results.clear();
  pictures = opened;
  showFilm(pictures, (picture) => show(picture));
  if (opened.length === 0) return fail(failed[0]);
  await show(opened[0], sample);
  if (failed.length > 0)
    status.textContent = `${failed.length} of ${files.length}: ${failed.map(({ title }) => title).join('; ')}`;
}

async function openSample(index: number): Promise<void> {
  const signal = beginOpening();
  try {
    const file = await SAMPLES[index].load();
    if (signal.aborted) return;
    await open([file], index);
  } catch (error) {
    if (!signal.aborted) fail(problemOf(error, ''));
  }
}

function showName(name: string, sample?: number): void {
  markSample(sample);
  byId('name').textContent = name;
  byId('name').title = name;
}

async function show(picture: Picture, sample?: number): Promise<void> {
  const isNew = picture !== current;
  current = picture;
  for (const button of document.querySelectorAll('#film button'))
    button.setAttribute('aria-current', `${button.id === `picture-${picture.id}`}`);
  markPicture(picture);
  showName(picture.name, sample);
  if (isNew) stage.clear();
  await enlarge();
}

// ---- Enlarging -----------------------------------------------------------------------------------------------------

/** Something else is asked for. What is being opened is enlarged so by itself. */
function changed(): void {
  if (!coming || coming.aborted) void enlarge();
}

/** What is open, as it is asked for now. */
async function enlarge(): Promise<void> {
  if (video) return enlargeVideo(video);
  if (current) return enlargePicture(current);
}

/** The sizes in words and on the stage. @returns that of the result */
function announce(name: string, { width, height }: Size): string {
  const { scale } = settings();
  const [w, h] = [width * scale, height * scale];
  byId('cards').replaceChildren();
  document.body.removeAttribute('data-empty');
  byId('size').textContent = `${width} × ${height} → ${w} × ${h}`;
  view.setAttribute('aria-label', `${name}, ${w} by ${h} pixels`);
  showDivider(byId('grip'), byId('divider'), stage, sideNames());
  stage.resize(w, h);
  return `${w} × ${h}`;
}

async function enlargePicture(picture: Picture): Promise<void> {
  const signal = begin();
  const size = announce(picture.name, picture);
  clearFile();
  setRunning(true);
  try {
    const right = oneSide('right', picture, signal).then((result) => {
      if (!signal.aborted) status.textContent = `${size} in ${secondsInWords(result.seconds)}: ${result.how}`;
      return result;
    });
    const [result] = await Promise.all([right, oneSide('left', picture, signal, right)]);
    signal.throwIfAborted();
    setRunning(false);
    showRestore(result);
    loupe?.refresh();
    await Promise.all([prepare(picture, result, signal), showTimes(enlarger, picture)]);
    void measureOthers(picture, signal);
  } catch (error) {
    if (!signal.aborted) fail(problemOf(error, size)); // else something newer has begun, or Escape
  }
}

function prepare({ name }: Picture, { canvas }: Result, signal: AbortSignal): Promise<void> {
  const { scale } = settings();
  return prepareFile(canvas, (type) => resultName(name, scale, type), signal);
}

/** @param after what goes first */
async function oneSide(
  side: SideName,
  picture: Picture,
  signal: AbortSignal,
  after?: Promise<unknown>,
): Promise<Result> {
  const method = methodOf(side);
  const show = (canvas: OffscreenCanvas): void => {
    if (signal.aborted) return;
    stage[side] = { source: canvas, crisp: method === 'nearest' };
    stage.draw();
  };
  const onProgress = (share: number): void => {
    if (side === 'right') progress.value = share;
    stage.drawSoon();
  };
  const { scale, backend, restore } = settings();
  const key = [picture.id, method, scale, ...(isModel(method) ? [backend, restore] : [])].join();
  const known = results.get(key);
  const result =
    known ?? (await enlarger.enlarge(picture, method, settings(), { signal, onCanvas: show, onProgress, after }));
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
  closeVideo();
  stage.clear();
  loupe?.turn(false);
  clearFile();
  document.body.setAttribute('data-empty', '');
  status.textContent = '';
  byId('size').textContent = '';
  if (!pictures.includes(current!)) {
    current = undefined;
    showName('carafe-web');
  } else markSample(undefined);
  view.setAttribute('aria-label', 'No picture');
  clearTimes();
  showCard(byId('cards'), problem, ACTIONS);
}

const ACTIONS: Readonly<Record<ActionName, Action>> = {
  open: { label: 'Open another', run: () => byId('file').click() },
  sample: { label: 'Show a sample', run: () => openSample(0) },
  camera: { label: 'Try again', run: () => openTheCamera() },
  again: { label: 'Try again', run: () => (current ? enlarge() : openSample(0)) },
  smaller: { label: 'Take 2×', run: () => change('scale', '2') },
  wasm: { label: 'Run on wasm', run: () => change('backend', 'wasm') },
};

function change(name: string, value: string): void {
  choose(name, value);
  void enlarge();
}

/** The other models' times, when nothing else is to be done. */
async function measureOthers(size: Size, signal: AbortSignal): Promise<void> {
  const idle = async (): Promise<boolean> => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return !signal.aborted && document.visibilityState === 'visible';
  };
  try {
    await enlarger.measure(settings(), idle, signal);
    if (!signal.aborted) await showTimes(enlarger, size);
  } catch {
    // offline, no memory, or something else is asked for: times are missing then, nothing else
  }
}

// ---- Videos --------------------------------------------------------------------------------------------------------

function openTheCamera(): Promise<void> {
  return play('Camera', 'camera', ({ openCamera }, signal) => openCamera(stage, signal));
}

/** A clip or the camera, over the picture that was there. */
async function play(
  name: string,
  kind: 'clip' | 'camera',
  load: (videos: typeof import('./video.js'), signal: AbortSignal) => Promise<Player>,
): Promise<void> {
  const signal = beginOpening();
  setRunning(true);
  status.textContent = kind === 'camera' ? 'Waiting for the camera …' : 'Opening …';
  try {
    const player = await load(await import('./video.js'), signal);
    closeVideo();
    loupe?.turn(false);
    stage.clear();
    clearFile();
    video = { player, name, methodBefore: methodOf('right') };
    if (!enlarger.onGpu(settings())) setMethod('tiny'); // the only one that keeps up
    document.body.dataset.video = kind;
    showName(name);
    await enlargeVideo(video);
  } catch (error) {
    if (!signal.aborted) fail(videoProblem(error, kind, name));
  }
}

async function enlargeVideo({ player, name }: { player: Player; name: string }): Promise<void> {
  const signal = begin();
  const size = announce(name, player);
  setRunning(false);
  try {
    const method = methodOf('right');
    const session = await enlarger.session(method, settings());
    signal.throwIfAborted();
    status.textContent = `${size}: ${method} on ${session.info.backend} (${session.info.details})`;
    showVideoRestore(isModel(method));
    await showTimes(enlarger, player);
    await player.enlarge(session, settings().restore, signal);
  } catch (error) {
    if (!signal.aborted) fail(problemOf(error, size));
  }
}

/** Lets go of it; its model goes too, where another was chosen before. */
function closeVideo(): void {
  if (!video) return;
  video.player.close();
  setMethod(video.methodBefore);
  video = undefined;
  delete document.body.dataset.video;
}

function stopVideo(): void {
  closeVideo();
  if (current) void show(current);
  else void openSample(0);
}

/** The frame that is shown, as a picture of its own. */
async function takeFrame(): Promise<void> {
  if (!video) return;
  const { player, name } = video;
  await open([new File([await player.still()], `${name.replace(/\.[^.]+$/, '')}.png`, { type: 'image/png' })]);
}

// ---- All pictures at once ------------------------------------------------------------------------------------------

/** Every picture of the film strip as the right side is now. */
async function saveAll(): Promise<void> {
  const signal = begin();
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

let pixels: { of: Picture; image: ImageData } | undefined; // of the picture that the loupe looks at

/** The picture, as the chosen model enlarges it. */
function underLoupe(): LoupeSource | undefined {
  if (!current || video || document.body.hasAttribute('data-empty')) return undefined;
  const picture = current;
  const { scale } = settings();
  const explain = async (x: number, y: number): Promise<PixelExplanation> => {
    if (pixels?.of !== picture) pixels = { of: picture, image: pixelsOf(picture) };
    const session = await enlarger.session(chosenModel(), settings());
    return session.explain(pixels.image, x, y, { restore: dial() });
  };
  return { scale, width: picture.width * scale, height: picture.height * scale, explain };
}

async function toggleLoupe(): Promise<void> {
  try {
    loupe ??= new (await import('./loupe.js')).Loupe(view, stage, underLoupe);
    loupe.turn(!loupe.on);
  } catch (error) {
    status.textContent = messageOf(error); // offline, for the first time
  }
}

function addButtons(): void {
  const clicks: Readonly<Record<string, () => void>> = {
    camera: openTheCamera,
    cancel,
    retry: enlarge,
    loupe: toggleLoupe,
    zip: saveAll,
    'take-frame': takeFrame,
    'stop-video': stopVideo,
  };
  for (const [id, run] of Object.entries(clicks)) byId(id).addEventListener('click', run);
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    if (video) stopVideo();
    else cancel();
  });
  addEventListener('online', () => {
    if (document.body.hasAttribute('data-empty')) ACTIONS.again.run();
  });
}

async function start(): Promise<void> {
  addPanel(changed);
  // Its workers start while the picture comes. Who enlarges by it hears of its errors.
  enlarger.session(methodOf('right'), settings()).catch(() => {});
  addDownload(() => {
    const result = [...results.values()].find(({ canvas }) => canvas === stage.right?.source);
    if (current && result && running) void prepare(current, result, running.signal);
  });
  addButtons();
  addSheet(stage);
  addGestures(view, stage);
  addZoomButtons(byId('zoom'), byId('percent'), stage);
  addDivider(byId('grip'), byId('divider'), stage, sideNames);
  addIntake((files) => open(files));
  addSamples(openSample);
  await openSample(0);
  await drawSamples();
  if ('serviceWorker' in navigator && window.isSecureContext) {
    navigator.serviceWorker.register('service-worker.js').catch(() => {});
    await navigator.serviceWorker.ready;
    byId('offline').textContent = 'The page works offline.';
  }
}

void start();
