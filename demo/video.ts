// Videos: a clip or the camera, enlarged frame by frame. It is always the newest frame that is enlarged; those that come
// in the meantime are dropped, and counted. A chunk of its own.
import type { Upscaler } from 'carafe-web';
import { byId, context2d } from './dom.js';
import type { Stage } from './stage.js';

const CAMERA = { width: { ideal: 640 }, facingMode: 'environment' };
const RATE_EVERY = 500; // ms

/** A frame as the browser has it: on the GPU, where it can be. */
type Frame = VideoFrame | ImageBitmap;

/** @throws DOMException NotSupportedError if the browser cannot play it; the signal's reason */
export async function openClip(file: Blob, stage: Stage, signal: AbortSignal): Promise<Player> {
  const url = URL.createObjectURL(file);
  return open({ src: url, loop: true }, () => URL.revokeObjectURL(url), stage, signal);
}

/** @throws DOMException NotAllowedError, NotFoundError, NotReadableError, SecurityError without https; the signal's reason */
export async function openCamera(stage: Stage, signal: AbortSignal): Promise<Player> {
  if (!navigator.mediaDevices) throw new DOMException('No camera without https', 'SecurityError');
  const stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA });
  const release = (): void => {
    for (const track of stream.getTracks()) track.stop();
  };
  return open({ srcObject: stream }, release, stage, signal);
}

async function open(
  source: Partial<HTMLVideoElement>,
  release: () => void,
  stage: Stage,
  signal: AbortSignal,
): Promise<Player> {
  const video = document.createElement('video');
  const player = new Player(Object.assign(video, { muted: true, playsInline: true, ...source }), release, stage);
  try {
    await video.play();
    signal.throwIfAborted();
    if (video.videoWidth === 0) throw new DOMException('There is no picture in it', 'NotSupportedError');
    await player.nextFrame(signal); // one that plays may have none yet
    return player;
  } catch (error) {
    player.close();
    throw error;
  }
}

export class Player {
  readonly #video: HTMLVideoElement;
  readonly #release: () => void;
  readonly #stage: Stage;
  readonly #closed = new AbortController();
  #shown: { frame: Frame; enlarged: ImageBitmap } | undefined;

  constructor(video: HTMLVideoElement, release: () => void, stage: Stage) {
    [this.#video, this.#release, this.#stage] = [video, release, stage];
    video.className = 'visually-hidden';
    video.setAttribute('aria-hidden', 'true');
    byId('view').append(video); // some browsers play only what is in the page
    this.#addControls();
  }

  get width(): number {
    return this.#video.videoWidth;
  }

  get height(): number {
    return this.#video.videoHeight;
  }

  /** Seconds; undefined of the camera, and of recordings that do not say. */
  get duration(): number | undefined {
    return Number.isFinite(this.#video.duration) ? this.#video.duration : undefined;
  }

  /**
   * Draws each frame on the left of the stage and its enlargement on the right, until the signal. On webgpu both stay on the GPU.
   * @throws {CarafeError} as toCanvas; the signal's reason
   */
  async enlarge(upscaler: Upscaler, restore: number | 'auto', signal: AbortSignal): Promise<never> {
    const canvas = new OffscreenCanvas(1, 1); // of its own: a canvas keeps its kind of context, and its place on the dial
    const counts = new Counts(byId<HTMLOutputElement>('rate'));
    for (let seen: number | undefined; ; ) {
      signal.throwIfAborted();
      if (this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await this.nextFrame(signal); // on its way elsewhere
      const frame = 'VideoFrame' in globalThis ? new VideoFrame(this.#video) : await createImageBitmap(this.#video);
      try {
        await upscaler.toCanvas(frame, canvas, { restore, signal });
        signal.throwIfAborted();
      } catch (error) {
        frame.close();
        throw error;
      }
      this.#show(frame, canvas.transferToImageBitmap());
      const presented = await this.nextFrame(signal);
      counts.add(seen === undefined ? 0 : presented - seen - 1);
      seen = presented;
    }
  }

  /** Once the browser presents a frame. @returns how many it has presented */
  nextFrame(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#video.cancelVideoFrameCallback(id);
        reject(signal.reason);
      };
      const id = this.#video.requestVideoFrameCallback((_, { presentedFrames }) => {
        signal.removeEventListener('abort', abort);
        resolve(presentedFrames);
      });
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /** The frame that is shown, as a picture. */
  async still(): Promise<Blob> {
    const canvas = new OffscreenCanvas(this.width, this.height);
    context2d(canvas).drawImage(this.#shown?.frame ?? this.#video, 0, 0);
    return canvas.convertToBlob();
  }

  /** Lets go of the camera, or of the file. */
  close(): void {
    this.#closed.abort();
    this.#video.pause();
    this.#video.removeAttribute('src');
    this.#video.srcObject = null;
    this.#video.remove();
    this.#release();
    if (this.#shown) this.#stage.left = this.#stage.right = undefined; // else something newer may be there already
    this.#drop();
  }

  #show(frame: Frame, enlarged: ImageBitmap): void {
    this.#stage.left = { source: frame, crisp: false };
    this.#stage.right = { source: enlarged, crisp: false };
    this.#stage.draw();
    this.#drop();
    this.#shown = { frame, enlarged };
  }

  #drop(): void {
    this.#shown?.frame.close();
    this.#shown?.enlarged.close();
    this.#shown = undefined;
  }

  #addControls(): void {
    const [video, { signal }] = [this.#video, this.#closed];
    const [pause, time] = [byId('pause'), byId<HTMLInputElement>('time')];
    const showPaused = (): void => {
      pause.textContent = video.paused ? 'Play' : 'Pause';
    };
    pause.addEventListener('click', () => (video.paused ? void video.play() : video.pause()), { signal });
    for (const type of ['play', 'pause']) video.addEventListener(type, showPaused, { signal });
    time.addEventListener('input', () => (video.currentTime = time.valueAsNumber), { signal });
    video.addEventListener('timeupdate', () => (time.valueAsNumber = video.currentTime), { signal });
    const showLength = (): void => {
      time.hidden = this.duration === undefined;
      time.max = `${this.duration ?? 0}`;
    };
    for (const type of ['loadedmetadata', 'durationchange']) video.addEventListener(type, showLength, { signal });
  }
}

/** Frames a second, of about the last second, and how many were left out. */
class Counts {
  readonly #place: HTMLOutputElement;
  readonly #times: number[] = [];
  #dropped = 0;
  #told = 0;

  constructor(place: HTMLOutputElement) {
    this.#place = place;
    place.value = '';
  }

  add(dropped: number): void {
    const now = performance.now();
    this.#times.push(now);
    this.#dropped += dropped;
    while (this.#times.length > 2 && now - this.#times[0] > 1000) this.#times.shift();
    if (this.#times.length < 2 || now - this.#told < RATE_EVERY) return;
    this.#told = now;
    const rate = ((this.#times.length - 1) * 1000) / (now - this.#times[0]);
    this.#place.value = `${rate.toFixed(rate < 9.95 ? 1 : 0)} frames/s, ${this.#dropped} dropped`;
  }
}
