// On phones the panel is a sheet at the bottom, opened and closed by a tap or a drag; it covers a part of the stage.
import { byId } from './dom.js';
import type { Stage } from './stage.js';

const DRAG = 24; // CSS pixels until the sheet follows

export function addSheet(stage: Stage): void {
  const panel = byId('panel');
  const button = byId('sheet');
  const setOpen = (on: boolean): void => {
    panel.dataset.open = `${on}`;
    button.setAttribute('aria-expanded', `${on}`);
  };
  let start = 0; // of the pointer, in CSS pixels from the top
  let dragged = false; // since the pointer went down: the click at the end of a drag is none
  button.addEventListener('pointerdown', (event) => {
    button.setPointerCapture(event.pointerId);
    [start, dragged] = [event.clientY, false];
  });
  button.addEventListener('pointermove', (event) => {
    if (!button.hasPointerCapture(event.pointerId) || Math.abs(event.clientY - start) < DRAG) return;
    setOpen(event.clientY < start);
    [start, dragged] = [event.clientY, true];
  });
  button.addEventListener('click', () => {
    if (!dragged) setOpen(panel.dataset.open !== 'true');
    dragged = false; // keys click without a pointer
  });
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
