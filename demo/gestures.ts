// Wheel, pinch, drag and keys on the stage, and the divider by drag and keys.
import type { Point, Stage } from './stage.js';

const STEP = 1.25; // of + and -

/** @returns for a key of the stage whether it was one */
export function addGestures(view: HTMLElement, stage: Stage): void {
  const pointers = new Map<number, Point>();
  const at = ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const { left, top } = view.getBoundingClientRect();
    return { x: (clientX - left) * devicePixelRatio, y: (clientY - top) * devicePixelRatio };
  };

  view.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const speed = event.ctrlKey ? 0.01 : 0.002; // a pinch on a trackpad comes as small steps with ctrl
      stage.zoomTo(stage.zoom * Math.exp(-event.deltaY * lines * speed), at(event));
    },
    { passive: false },
  );
  view.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    view.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
  });
  view.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const ratio = distance(now, other) / Math.max(1, distance(before, other));
      stage.zoomTo(stage.zoom * ratio, middle(before, other));
      stage.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    } else stage.pan(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
  });
  const released = (event: PointerEvent): void => {
    pointers.delete(event.pointerId);
  };
  view.addEventListener('pointerup', released);
  view.addEventListener('pointercancel', released);
  view.addEventListener('dblclick', (event) => {
    if (stage.fitted) stage.zoomTo(2, at(event));
    else stage.fit();
  });
  view.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const pace = (event.shiftKey ? 240 : 48) * devicePixelRatio;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => stage.pan(pace, 0),
      ArrowRight: () => stage.pan(-pace, 0),
      ArrowUp: () => stage.pan(0, pace),
      ArrowDown: () => stage.pan(0, -pace),
      '+': () => stage.zoomTo(stage.zoom * STEP),
      '=': () => stage.zoomTo(stage.zoom * STEP),
      '-': () => stage.zoomTo(stage.zoom / STEP),
      '0': () => stage.fit(),
      '1': () => stage.zoomTo(1),
      '2': () => stage.zoomTo(2),
      '4': () => stage.zoomTo(4),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}

/** Fit, 100 %, 200 %, 400 %, - and +. */
export function addZoomButtons(bar: HTMLElement, percent: HTMLOutputElement, stage: Stage): void {
  const buttons = [...bar.querySelectorAll<HTMLButtonElement>('[data-zoom]')];
  bar.addEventListener('click', (event) => {
    const wanted = (event.target as HTMLElement).closest<HTMLElement>('[data-zoom]')?.dataset.zoom;
    if (wanted === 'fit') stage.fit();
    else if (wanted === 'in') stage.zoomTo(stage.zoom * STEP);
    else if (wanted === 'out') stage.zoomTo(stage.zoom / STEP);
    else if (wanted) stage.zoomTo(Number(wanted));
  });
  stage.onchange = () => {
    percent.value = `${Math.round(stage.zoom * 100)} %`;
    for (const button of buttons) {
      const { zoom } = button.dataset;
      if (!button.hasAttribute('aria-pressed')) continue;
      const pressed = zoom === 'fit' ? stage.fitted : !stage.fitted && stage.zoom === Number(zoom);
      button.setAttribute('aria-pressed', `${pressed}`);
    }
  };
}

/** @param names of the left and the right side, for what is spoken */
export function addDivider(grip: HTMLElement, divider: HTMLElement, stage: Stage, names: () => [string, string]): void {
  const moveTo = (split: number): void => {
    stage.split = Math.min(Math.max(split, 0), 1);
    showDivider(grip, divider, stage, names());
    stage.draw();
  };
  grip.addEventListener('pointerdown', (event) => {
    grip.setPointerCapture(event.pointerId);
    grip.focus({ preventScroll: true });
  });
  grip.addEventListener('pointermove', (event) => {
    if (!grip.hasPointerCapture(event.pointerId)) return;
    const { left, width } = divider.getBoundingClientRect();
    moveTo((event.clientX - left) / width);
  });
  grip.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 0.1 : 0.01;
    const targets: Record<string, number> = {
      ArrowLeft: stage.split - step,
      ArrowDown: stage.split - step,
      ArrowRight: stage.split + step,
      ArrowUp: stage.split + step,
      PageDown: stage.split - 0.1,
      PageUp: stage.split + 0.1,
      Home: 0,
      End: 1,
    };
    if (!Object.hasOwn(targets, event.key)) return;
    event.preventDefault();
    moveTo(targets[event.key]);
  });
}

export function showDivider(
  grip: HTMLElement,
  divider: HTMLElement,
  stage: Stage,
  [left, right]: [string, string],
): void {
  const percent = Math.round(stage.split * 100);
  divider.style.setProperty('--at', `${stage.split * 100}%`);
  grip.setAttribute('aria-valuenow', `${percent}`);
  grip.setAttribute('aria-valuetext', `${left} ${percent} %, ${right} ${100 - percent} %`);
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}
