// Elements of index.html by their ids, of the kind that is expected.

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`Expected an element "${id}" in the page, got none`);
  return element as T;
}

/** @param read its pixels will be read, more than once: they stay in memory then, not on the GPU */
export function context2d(canvas: HTMLCanvasElement, read?: boolean): CanvasRenderingContext2D;
export function context2d(canvas: OffscreenCanvas, read?: boolean): OffscreenCanvasRenderingContext2D;
export function context2d(canvas: HTMLCanvasElement | OffscreenCanvas, read = false) {
  const context = canvas.getContext('2d', { willReadFrequently: read });
  if (!context) throw new Error('Expected a 2d context, got none');
  return context;
}

/** The value of the radio button that is chosen, or '' if none is. */
export function chosen(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name="${name}"]:checked`)?.value ?? '';
}

export function choose(name: string, value: string): void {
  for (const input of document.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`))
    input.checked = input.value === value;
}
