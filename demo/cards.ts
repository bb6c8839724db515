// Cards: what went wrong, in words for the person in front of it, and buttons for what to do.
import { CarafeError } from 'carafe-web';

export interface Action {
  readonly label: string;
  readonly run: () => void;
}

export interface Problem {
  readonly title: string;
  readonly advice: string;
  readonly details?: string;
  readonly actions: readonly ActionName[];
}

export type ActionName = 'open' | 'sample' | 'camera' | 'again' | 'smaller' | 'wasm';

export function showCard(place: HTMLElement, problem: Problem, actions: Readonly<Record<ActionName, Action>>): void {
  const card = document.createElement('section');
  card.className = 'card';
  card.tabIndex = -1;
  card.setAttribute('role', 'alert');
  const title = Object.assign(document.createElement('h2'), { textContent: problem.title });
  const advice = Object.assign(document.createElement('p'), { textContent: problem.advice });
  const row = Object.assign(document.createElement('div'), { className: 'row' });
  for (const [i, name] of problem.actions.entries()) {
    const { label, run } = actions[name];
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.className = i === 0 ? 'button primary grow' : 'button grow';
    button.addEventListener('click', run);
    row.append(button);
  }
  card.append(title, advice);
  if (problem.details) {
    const details = document.createElement('details');
    details.append(
      Object.assign(document.createElement('summary'), { textContent: 'Details' }),
      Object.assign(document.createElement('p'), { textContent: problem.details }),
    );
    card.append(details);
  }
  card.append(row);
  place.replaceChildren(card);
  card.focus({ preventScroll: true });
}

/** A file that the browser cannot decode. */
export function notAPicture(file: File, cause: unknown): Problem {
  return {
    title: `“${file.name}” is not a picture this browser can open`,
    advice:
      file.type === 'image/svg+xml'
        ? 'An SVG is lines, not pixels: it is sharp at any size already.'
        : 'Save it as PNG, JPEG, WebP or AVIF and open it again.',
    details: `${file.type || 'No type'}, ${file.size.toLocaleString('en')} bytes. ${messageOf(cause)}`,
    actions: ['open', 'sample'],
  };
}

/** A clip that does not play, or a camera that is not there. */
export function videoProblem(error: unknown, kind: 'clip' | 'camera', name: string): Problem {
  const details = messageOf(error);
  if (kind === 'clip')
    return {
      title: `“${name}” is not a video this browser can play`,
      advice: 'Save it as MP4 with H.264 or as WebM and open it again.',
      details,
      actions: ['open', 'sample'],
    };
  const [title, advice] = CAMERA_PROBLEMS[(error as Error).name] ?? CAMERA_PROBLEMS.NotReadableError;
  return { title, advice, details, actions: ['camera', 'open'] };
}

/** By the name of the DOMException. */
const CAMERA_PROBLEMS: Readonly<Record<string, readonly [title: string, advice: string]>> = {
  NotAllowedError: [
    'The camera was not allowed',
    'Allow it for this page, by the sign beside its address or in the settings of the system, and try again. Nothing of it leaves this machine.',
  ],
  NotFoundError: ['No camera was found', 'Connect one and try again, or open a video from a file.'],
  NotReadableError: [
    'The camera gives no picture',
    'Another program may be using it: close that and try again, or open a video from a file.',
  ],
  SecurityError: [
    'This page may not use a camera',
    'Browsers give it to pages of https and of localhost only. Open a video from a file.',
  ],
};

/** @param size of the result that was asked for */
export function problemOf(error: unknown, size: string): Problem {
  const details = messageOf(error);
  const code = error instanceof CarafeError ? error.code : undefined;
  if (code === 'ImageTooLarge' || code === 'OutOfMemory')
    return {
      title: `${size} pixels are more than this browser can hold`,
      advice:
        'Take a smaller scale or a smaller picture. The command line has no such limit: npx carafe-web picture.jpg',
      details,
      actions: ['smaller', 'open'],
    };
  if (code === 'BackendUnavailable' && !hasSimd())
    return {
      title: 'This browser has no WebAssembly SIMD',
      advice:
        'The networks need it where there is no GPU. Chrome and Edge have it from version 91, Firefox from 89, Safari from 16.4: update the browser, or leave its “lockdown” mode.',
      details,
      actions: ['again'],
    };
  if (code === 'BackendUnavailable')
    return {
      title: 'It does not run there',
      advice: 'The backend that you chose is not available in this browser. wasm runs everywhere.',
      details,
      actions: ['wasm'],
    };
  if (code === undefined && (error instanceof TypeError || !navigator.onLine))
    return {
      title: navigator.onLine ? 'A part of this page did not arrive' : 'You are offline',
      advice: navigator.onLine
        ? 'The server or the connection failed. Try again in a moment.'
        : 'This part was not loaded yet. Connect once: from then on the page works offline.',
      details,
      actions: ['again', 'open'],
    };
  return {
    title: 'The picture was not finished',
    advice: 'Try again; if it fails again, a smaller model or another backend may work.',
    details: code ? `${code}: ${details}` : details,
    actions: ['again', 'open'],
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A module with one vector instruction: v128.const. */
function hasSimd(): boolean {
  const bytes = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
  ];
  return typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(bytes));
}
