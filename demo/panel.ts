// The side panel: what is asked for, how long it takes here, and what was found.
import { byId, choose, chosen } from './dom.js';
import {
  type Enlarger,
  isModel,
  type Method,
  METHOD_NAMES,
  type Model,
  MODELS,
  type Result,
  type Settings,
  type Size,
} from './enlarge.js';
import { secondsInWords } from './output.js';

export type SideName = 'left' | 'right';

const selects: Record<SideName, HTMLSelectElement> = { left: byId('left'), right: byId('right') };
const restoreAuto = byId<HTMLInputElement>('restore-auto');
const restoreValue = byId<HTMLInputElement>('restore-value');

let model: Model = 'base';

/** @param change something else is asked for */
export function addPanel(change: () => void): void {
  for (const side of ['left', 'right'] as const) {
    const options = Object.entries(METHOD_NAMES).map(([value, text]) => new Option(text, value));
    selects[side].append(...options);
    selects[side].addEventListener('change', () => {
      if (side === 'right') setMethod(methodOf('right'));
      change();
    });
  }
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
    setMethod(chosen('effort') as Model);
    change();
  });
  for (const id of ['scale', 'backend']) byId(id).addEventListener('change', change);
  restoreAuto.addEventListener('change', change);
  restoreValue.addEventListener('input', () => {
    restoreAuto.checked = false;
    showDial();
  });
  restoreValue.addEventListener('change', change); // not while it is dragged
  selects.left.value = 'bicubic';
  setMethod(model);
}

export function settings(): Settings {
  return {
    scale: Number(chosen('scale')) as Settings['scale'],
    backend: chosen('backend') as Settings['backend'],
    restore: restoreAuto.checked ? 'auto' : restoreValue.valueAsNumber,
  };
}

export function methodOf(side: SideName): Method {
  return selects[side].value as Method;
}

/** Of the right side; its model stays chosen while the side shows something else. */
export function setMethod(method: Method): void {
  selects.right.value = method;
  if (isModel(method)) model = method;
  choose('effort', isModel(method) ? method : '');
}

export function chosenModel(): Model {
  return model;
}

/** Where the dial is, also where 'auto' put it. */
export function dial(): number {
  return restoreValue.valueAsNumber;
}

export function sideNames(): [string, string] {
  return [METHOD_NAMES[methodOf('left')], METHOD_NAMES[methodOf('right')]];
}

/** The times that are known, and why a backend was not taken. */
export async function showTimes(enlarger: Enlarger, size: Size): Promise<void> {
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
    showTime(label, enlarger.times.expected(size, value as Model, { scale, backend }));
  }
  for (const label of document.querySelectorAll('#backend label')) {
    const { value, disabled } = label.querySelector('input')!;
    const time = enlarger.times.expected(size, model, { scale, backend: value as Settings['backend'] });
    if (disabled) label.querySelector('small')!.textContent = 'none here';
    else showTime(label, time);
  }
}

export function clearTimes(): void {
  for (const small of document.querySelectorAll('#panel small')) small.textContent = '';
}

/** What 'auto' found, or what was asked for. */
export function showRestore({ restore }: Pick<Result, 'restore'>): void {
  byId<HTMLFieldSetElement>('restore').disabled = !restore;
  if (restore && restoreAuto.checked) restoreValue.valueAsNumber = restore.value;
  showDial();
  byId('found').textContent = restore && restoreAuto.checked ? `Found: ${restore.reason}.` : '';
}

/** Of a video: with 'auto' its first frame decides. */
export function showVideoRestore(restores: boolean): void {
  byId<HTMLFieldSetElement>('restore').disabled = !restores;
  byId('found').textContent = restores && restoreAuto.checked ? 'Found by the first frame.' : '';
}

function showDial(): void {
  byId<HTMLOutputElement>('restore-shown').value = dial().toFixed(2);
}

function showTime(label: Element, seconds: number | undefined): void {
  label.querySelector('small')!.textContent = seconds === undefined ? '' : secondsInWords(seconds);
}

function nameOf(backend: string): string {
  return backend === 'webgpu' ? 'WebGPU' : backend;
}
